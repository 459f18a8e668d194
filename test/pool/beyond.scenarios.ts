// Features that Python's Pool does not have.
import assert from 'node:assert/strict';
import { AbortError, BrokenPoolError, Event, Pool, TimeoutError, Value } from 'truefork';
import { isRunning, sleep, until } from '../support/observe.js';
import { haveTerminals, startOnTerminal } from '../support/programs.js';
import type { Scenarios } from '../support/scenarios.js';
import { assertLost, caught, finish, hang, leavesNothing, range, spin, square } from './support.js';

function killSelf(): void {
  process.kill(process.pid, 'SIGKILL');
}

/** Blocks the thread. */
function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

function* endless(): Generator<number> {
  for (let i = 0; ; i++) yield i;
}

export const scenarios: Scenarios = {
  'a timeout ends the worker that runs the task': () =>
    leavesNothing(async () => {
      const pool = new Pool(2);
      for (const fn of [hang, spin]) {
        const error = await caught(pool.apply(fn, [], { timeout: 30 }));
        assert.ok(error instanceof TimeoutError, error.stack);
        assert.equal(error.message, 'the task took longer than 30 ms, and its worker was ended');
        assert.match(error.stack!, /beyond\.scenarios/);
      }
      assert.equal(await pool.apply(square, [3], { timeout: 10_000 }), 9);
      assert.equal(pool.statistics().lost, 0);
      await finish(pool);
    }),

  async 'the time is that of the task, and not of its waiting'() {
    const pool = new Pool(1);
    const results = range(8).map((i) => pool.apply(() => (busy(20), i), [], { timeout: 10_000 }));
    assert.deepEqual(await Promise.all(results), range(8));
    const long = pool.apply(() => busy(300));
    const short = pool.apply(square, [2], { timeout: 250 });
    assert.deepEqual(await Promise.all([long, short]), [undefined, 4]);
    await finish(pool);
  },

  'a timeout concerns one item, and the others are run': () =>
    leavesNothing(async () => {
      const pool = new Pool(2);
      const work = (i: number): unknown => (i === 5 ? spin() : i);
      const outcomes = await pool.map(work, range(12), {
        chunksize: 4,
        timeout: 1000,
        settle: true,
      });
      for (const [i, outcome] of outcomes.entries()) {
        // 4 was done by the worker that had to be ended, and not reported yet.
        if (i !== 4) assert.equal(outcome.status, i === 5 ? 'rejected' : 'fulfilled', `${i}`);
      }
      assert.ok((outcomes[5] as PromiseRejectedResult).reason instanceof TimeoutError);
      const mapped = pool.map(work, range(12), { chunksize: 4, timeout: 1000 });
      await assert.rejects(mapped, TimeoutError);
      const iterator = pool.imap(work, range(8), { timeout: 1000 });
      for (const i of range(8)) {
        if (i === 5) await assert.rejects(iterator.next(), TimeoutError);
        else assert.deepEqual(await iterator.next(), { done: false, value: i });
      }
      await finish(pool);
    }),

  async 'a timeout without the event loop'() {
    const pool = new Pool(1);
    assert.throws(() => pool.applySync(spin, [], { timeout: 50 }), TimeoutError);
    assert.equal(pool.applySync(square, [3]), 9);
    await finish(pool);
  },

  'a signal ends what runs and drops what does not': () =>
    leavesNothing(async () => {
      const pool = new Pool(2);
      const runs = new Value('i');
      const controller = new AbortController();
      const { signal } = controller;
      const work = async (): Promise<void> => {
        runs.add(1);
        await hang();
      };
      const results = [
        ...range(5).map(() => pool.apply(work, [], { signal })),
        pool.map(work, range(100), { signal }),
        pool.applyAsync(work, [], { signal }).get(),
        pool.imap(work, range(10), { signal }).next(),
      ];
      const other = pool.apply(square, [7]);
      await until(() => runs.value === 2);
      controller.abort('enough');
      for (const result of results) {
        const error = (await caught(result)) as AbortError;
        assert.ok(error instanceof AbortError);
        assert.equal(error.cause, 'enough');
      }
      assert.equal(await other, 49);
      assert.equal(runs.value, 2);
      await assert.rejects(pool.apply(square, [1], { signal }), AbortError);
      assert.equal(await pool.apply(square, [1], { signal: new AbortController().signal }), 1);
      await finish(pool);
    }),

  'retries after a loss': () =>
    leavesNothing(async () => {
      const pool = new Pool(2);
      const runs = new Value('i');
      const work = (times: number): string => {
        if (runs.add(1) < times) killSelf();
        return 'done';
      };
      assert.equal(await pool.apply(work, [2], { retries: 2 }), 'done');
      assert.equal(runs.value, 3);
      runs.value = 0;
      await assertLost(pool.apply(work, [3], { retries: 2 }), -9, 'SIGKILL');
      assert.equal(runs.value, 3);
      const crash = new Value('i');
      const sometimes = (i: number): number => {
        if (i === 7 && crash.add(1) < 3) killSelf();
        return i;
      };
      assert.deepEqual(
        await pool.map(sometimes, range(20), { chunksize: 5, retries: 3 }),
        range(20),
      );
      crash.value = 0;
      const values: number[] = [];
      for await (const value of pool.imap(sometimes, range(20), { retries: 3 })) values.push(value);
      assert.deepEqual(values, range(20));
      // An error is a result.
      runs.value = 0;
      const failing = (): never => (runs.add(1), assert.fail('x'));
      await caught(pool.apply(failing, [], { retries: 5 }));
      assert.equal(runs.value, 1);
      await finish(pool);
    }),

  async 'progress, for programs'() {
    const pool = new Pool(2);
    const seen: (number | undefined)[][] = [];
    const onProgress = ({ done, total }: { done: number; total: number | undefined }): void =>
      void seen.push([done, total]);
    await pool.map(square, range(40), { chunksize: 10, onProgress });
    assert.deepEqual(seen.at(-1), [40, 40]);
    assert.ok(seen.length >= 4 && seen.every(([done], i) => i === 0 || done! > seen[i - 1]![0]!));
    // Items of a long task are told of before its end.
    seen.length = 0;
    await pool.map(() => busy(25), range(4), { chunksize: 4, onProgress });
    assert.ok(seen.length > 1, JSON.stringify(seen));
    seen.length = 0;
    for await (const _ of pool.imap(square, range(300), { onProgress }));
    assert.deepEqual(seen.at(-1), [300, 300]);
    assert.equal(seen[0]![1], undefined);
    await finish(pool);
  },

  'progress, for people': {
    async run() {
      const pool = new Pool(2);
      await pool.map(square, range(40), { progress: true });
      for await (const _ of pool.imap(square, range(30), { progress: true }));
      await finish(pool);
    },
    stderr: '40 of 40 done\n30 of 30 done\n',
  },

  async 'progress on a terminal is a bar'() {
    if (!haveTerminals()) return;
    const program = startOnTerminal('progress, for people');
    assert.equal((await program.end()).code, 0);
    assert.match(program.stdout, /=+ 100% \| 40 of 40 \| [^]*30 done in 0s/);
  },

  async "chunksize 'auto'"() {
    const pool = new Pool(2);
    assert.deepEqual(await pool.map(square, range(5000), 'auto'), range(5000).map(square));
    const tasks = pool.statistics().workers.reduce((sum, { completed }) => sum + completed, 0);
    assert.ok(tasks < 500, `${tasks} tasks`);
    const slow = pool.statistics();
    await pool.map(() => busy(30), range(10), { chunksize: 'auto' });
    assert.ok(slow.forks >= 1);
    assert.deepEqual(await pool.map(square, [], 'auto'), []);
    await finish(pool);
  },

  async 'an endless input is taken from as results are taken'() {
    const pool = new Pool(2);
    let taken = 0;
    let hasEnded = false;
    function* input(): Generator<number> {
      try {
        for (const i of endless()) {
          taken++;
          yield i;
        }
      } finally {
        hasEnded = true;
      }
    }
    const seen: number[] = [];
    for await (const value of pool.imap(square, input(), { buffersize: 10 })) {
      seen.push(value);
      assert.ok(taken <= seen.length + 10, `${taken} taken, ${seen.length} seen`);
      if (seen.length === 50) break;
    }
    assert.deepEqual(seen, range(50).map(square));
    assert.ok(hasEnded);
    const unordered = pool.imapUnordered(square, endless());
    for (let i = 0; i < 100; i++) assert.equal(typeof (await unordered.next()).value, 'number');
    assert.deepEqual(await unordered.return(), { done: true, value: undefined });
    assert.deepEqual(await unordered.next(), { done: true, value: undefined });
    await finish(pool);
  },

  async 'an asynchronous input, endless too'() {
    const pool = new Pool(2);
    let hasEnded = false;
    async function* input(): AsyncGenerator<number> {
      try {
        for (let i = 0; ; i++) {
          if (i % 10 === 0) await sleep(1);
          yield i;
        }
      } finally {
        hasEnded = true;
      }
    }
    const seen: number[] = [];
    for await (const value of pool.imap(square, input(), { buffersize: 20, chunksize: 3 })) {
      seen.push(value);
      if (seen.length === 100) break;
    }
    assert.deepEqual(seen, range(100).map(square));
    await until(() => hasEnded);
    async function* failing(): AsyncGenerator<number> {
      yield 1;
      await sleep(1);
      throw new SyntaxError('the input');
    }
    const iterator = pool.imap(square, failing());
    assert.equal((await iterator.next()).value, 1);
    await assert.rejects(iterator.next(), SyntaxError);
    await assert.rejects(pool.map(square, failing()), SyntaxError);
    await finish(pool);
  },

  'an input that is still read when the pool is closed, or terminated': () =>
    leavesNothing(async () => {
      async function* slow(): AsyncGenerator<number> {
        for (const i of range(3)) yield ((await sleep(10), i));
      }
      async function* never(): AsyncGenerator<number> {
        yield 1;
        await new Promise(() => {});
      }
      const closed = new Pool(2);
      const late = closed.map(square, slow());
      closed.close();
      assert.equal(await closed.join(), true);
      assert.deepEqual(await late, [0, 1, 4]);
      const ended = new Pool(2);
      const lost = ended.mapAsync(square, never());
      ended.terminate();
      assert.equal(await ended.join(), true);
      await assert.rejects(lost.get(), { code: 'ERR_TRUEFORK_POOL_TERMINATED' });
    }),

  async 'an iterator that is dropped does not keep the pool'() {
    const pool = new Pool(2);
    for await (const _ of pool.imap(square, range(10_000))) break;
    assert.deepEqual(await pool.map(square, [1, 2]), [1, 4]);
    const stuck = pool.imap(square, range(500));
    await stuck.next();
    await finish(pool); // takes the rest of the input
    const rest: number[] = [];
    for await (const value of stuck) rest.push(value);
    assert.equal(rest.length, 499);
  },

  async failFast() {
    const pool = new Pool(2);
    const gate = new Event();
    const runs = new Value('i');
    const work = async (i: number): Promise<void> => {
      runs.add(1);
      if (i === 0) throw new RangeError('first');
      await gate.wait();
    };
    await assert.rejects(pool.map(work, range(100), { chunksize: 1, failFast: true }), RangeError);
    assert.ok(runs.value <= 4, `${runs.value}`);
    gate.set();
    assert.equal(await pool.apply(square, [3]), 9);
    assert.ok(runs.value <= 4, `${runs.value}`);
    // Without it all is run.
    await assert.rejects(pool.map(work, range(20), { chunksize: 2 }), RangeError);
    await finish(pool);
  },

  async settle() {
    const pool = new Pool(2);
    const work = (i: number): number => {
      if (i % 3 === 0) throw new RangeError(`${i}`);
      return i;
    };
    const outcomes = await pool.map(work, range(10), { settle: true, chunksize: 4 });
    for (const [i, outcome] of outcomes.entries()) {
      if (i % 3 !== 0) assert.deepEqual(outcome, { status: 'fulfilled', value: i });
      else assert.equal((outcome as PromiseRejectedResult).reason.message, `${i}`);
    }
    assert.equal(pool.mapSync(work, range(4), { settle: true })[3]!.status, 'rejected');
    const pairs = [[1, 2]] as [number, number][];
    assert.deepEqual(await pool.starmap((x, y) => x + y, pairs, { settle: true }), [
      { status: 'fulfilled', value: 3 },
    ]);
    await finish(pool);
  },

  async statistics() {
    const pool = new Pool(2);
    assert.deepEqual(pool.statistics(), {
      state: 'RUN',
      pending: 0,
      forks: 0,
      lost: 0,
      workers: [],
    });
    const gate = new Event();
    await pool.apply(() => busy(10));
    const result = pool.apply(() => gate.wait());
    await until(() => pool.statistics().workers.some(({ state }) => state === 'busy'));
    const { workers, pending } = pool.statistics();
    assert.equal(pending, 1);
    assert.ok(workers.every(({ pid, name }) => isRunning(pid) && /^ForkPoolWorker-\d$/.test(name)));
    gate.set();
    await result;
    await pool.apply(square, [1]);
    const worker = pool.statistics().workers.find(({ state }) => state === 'idle');
    assert.ok(worker!.age > 0 && worker!.completed >= 1 && worker!.tasks === 0);
    await finish(pool);
    assert.deepEqual(pool.statistics().workers, []);
  },

  resize: () =>
    leavesNothing(async () => {
      const pool = new Pool(1);
      await pool.map(square, range(20), 1);
      assert.equal(pool.statistics().workers.length, 1);
      pool.resize(4);
      assert.equal(pool.processes, 4);
      await pool.map(() => sleep(20), range(8), 1);
      const { workers } = pool.statistics();
      assert.equal(workers.filter(({ state }) => state !== 'ending').length, 4);
      pool.resize(2);
      await until(() => pool.statistics().workers.length === 2);
      const results = pool.map((i) => sleep(5).then(() => i), range(50), 1);
      await sleep(10);
      pool.resize(1);
      assert.deepEqual(await results, range(50));
      await until(() => pool.statistics().workers.length === 1);
      assert.equal(pool.statistics().lost, 0);
      await finish(pool);
    }),

  maxMemoryPerChild: () =>
    leavesNothing(async () => {
      const pool = new Pool({ processes: 1, maxMemoryPerChild: 50_000_000 });
      const grow = (): number => {
        const kept = ((globalThis as { kept?: unknown[] }).kept ??= []);
        kept.push(Buffer.alloc(30_000_000, 1));
        busy(25); // the worker looks now and then
        return process.pid;
      };
      const pids: number[] = [];
      for (let i = 0; i < 8; i++) pids.push(await pool.apply(grow));
      assert.ok(new Set(pids).size >= 3, pids.join());
      assert.equal(pool.statistics().lost, 0);
      const light = await pool.map(() => process.pid, range(50), 1);
      assert.ok(new Set(light).size <= 2);
      await finish(pool);
    }),

  idleTimeout: () =>
    leavesNothing(async () => {
      const pool = new Pool({ processes: 2, idleTimeout: 50 });
      await pool.map(square, range(10), 1);
      await until(() => pool.statistics().workers.length === 0);
      assert.deepEqual(await pool.map(square, range(10), 1), range(10).map(square));
      await pool.apply(() => sleep(200)); // who works is not idle
      assert.equal(pool.statistics().lost, 0);
      await finish(pool);
    }),

  maxRestarts: () =>
    leavesNothing(async () => {
      const pool = new Pool({ processes: 2, maxRestarts: 3 });
      for (let i = 0; i < 3; i++) await assertLost(pool.apply(killSelf), -9, 'SIGKILL');
      const waiting = pool.applyAsync(hang);
      await assertLost(pool.apply(killSelf), -9, 'SIGKILL');
      await assert.rejects(waiting.get(), BrokenPoolError);
      const error = await caught(pool.apply(square, [1]));
      assert.equal(error.message, 'the pool is broken: 4 workers were lost within 60 seconds');
      assert.equal(await pool.join(), true);
    }),

  async 'several tasks that wait run in one worker, where asked'() {
    const pool = new Pool({ processes: 1, concurrency: 10 });
    const running = new Value('i');
    const most = new Value('i');
    const work = async (i: number): Promise<number> => {
      const now = running.add(1) + 1;
      if (now > most.value) most.value = now;
      await sleep(20);
      running.add(-1);
      return i;
    };
    assert.deepEqual(await pool.map(work, range(100), 1), range(100));
    assert.equal(most.value, 10);
    assert.equal(pool.statistics().forks, 1);
    await finish(pool);
  },

  async 'tasks that wait and tasks that compute'() {
    const pool = new Pool({ processes: 2, concurrency: 3 });
    const work = (i: number): number | Promise<number> => {
      if (i % 2 === 0) return sleep(i % 7).then(() => i);
      busy(i % 3);
      return i;
    };
    assert.deepEqual(await pool.map(work, range(300), 1), range(300));
    assert.deepEqual(await pool.map(work, range(300)), range(300));
    const lost = await Promise.allSettled([
      pool.apply(() => sleep(20).then(killSelf)),
      pool.apply(() => sleep(500)),
      pool.apply(() => 'quick'),
    ]);
    assert.equal(lost[0].status, 'rejected');
    assert.equal(lost[2].status, 'fulfilled');
    await finish(pool);
  },

  async 'a task that waits for ever while thousands pass it by'() {
    const pool = new Pool({ processes: 1, concurrency: 2 });
    const gate = new Event();
    const late = pool.apply(() => gate.wait());
    assert.deepEqual(
      await pool.map(square, range(3000), 1).catch(() => 'stuck'),
      range(3000).map(square),
    );
    gate.set();
    assert.equal(await late, true);
    await finish(pool);
  },
};
