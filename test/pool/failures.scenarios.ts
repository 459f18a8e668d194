// Things that can go wrong: everything is settled, nothing remains, and the pool goes on.
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { BrokenPoolError, Pool, Process, ProcessError, SharedArray, Value } from 'truefork';
import { _exit, fork, waitpid } from 'truefork/posix';
import { children, isRunning, sleep, until } from '../support/observe.js';
import { startProgram } from '../support/programs.js';
import type { Scenarios } from '../support/scenarios.js';
import { assertLost, caught, finish, hang, leavesNothing, range, spin, square } from './support.js';

// With --expose-gc.
declare const gc: () => void;

const MB = 1_000_000;

function killSelf(): void {
  process.kill(process.pid, 'SIGKILL');
}

function codeOf(error: unknown): string | undefined {
  return (error as ProcessError).code;
}

function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

class ConfigError extends RangeError {
  override name = 'ConfigError';
  path = '/some/where';
  details = { line: 3, tags: new Set(['a']) };
}

export const scenarios: Scenarios = {
  'a worker is killed in a task': () =>
    leavesNothing(async () => {
      const pool = new Pool(2);
      await assertLost(pool.apply(killSelf), -9, 'SIGKILL');
      assert.equal(await pool.apply(square, [4]), 16);
      const results = range(6).map((i) => pool.applyAsync((n) => (n === 3 ? killSelf() : n), [i]));
      await assertLost(results[3]!, -9, 'SIGKILL');
      results.splice(3, 1);
      assert.deepEqual(await Promise.all(results), [0, 1, 2, 4, 5]);
      assert.deepEqual(await pool.map(square, range(100)), range(100).map(square));
      assert.equal(pool.statistics().lost, 2);
      await finish(pool);
    }),

  'of a map only the task of that worker is lost': () => {
    const runs = new SharedArray('i', 40);
    return leavesNothing(async () => {
      const pool = new Pool(2);
      const work = (i: number): number => {
        Atomics.add(runs as unknown as Int32Array, i, 1);
        if (i === 13) killSelf();
        return i;
      };
      await assertLost(pool.map(work, range(40), 5), -9, 'SIGKILL');
      // All others were run, and once; of the task of 13, from 10 on, what came before it.
      const expected = range(40).map((i) => (i === 14 ? 0 : 1));
      assert.deepEqual([...runs], expected);
      const outcomes = await pool.map((i: number) => work(i), range(40), {
        settle: true,
        chunksize: 5,
      });
      for (const [i, outcome] of outcomes.entries()) {
        const lost = i >= 10 && i <= 13; // their values had not come
        assert.equal(outcome.status, lost ? 'rejected' : 'fulfilled', `${i}`);
      }
      assert.equal(runs.get(14), 1);
      await finish(pool);
    });
  },

  'tasks that a lost worker had not begun are run once, by others': () => {
    const runs = new SharedArray('i', 1000);
    return leavesNothing(async () => {
      const pool = new Pool(2);
      const n = 1000;
      const work = (i: number): number => {
        Atomics.add(runs as unknown as Int32Array, i, 1);
        if (i % 100 === 50) killSelf();
        return i;
      };
      const results = range(n).map((i) => pool.applyAsync(work, [i]));
      for (const [i, result] of results.entries()) {
        if (i % 100 === 50) await assertLost(result, -9, 'SIGKILL');
        else assert.equal(await result, i);
      }
      assert.deepEqual([...runs], Array(n).fill(1));
      await finish(pool);
    });
  },

  async 'a worker is killed while it is idle'() {
    const pool = new Pool(1);
    const pid = await pool.apply(() => process.pid);
    process.kill(pid, 'SIGKILL');
    assert.equal(await pool.apply(square, [4]), 16);
    const another = await pool.apply(() => process.pid);
    process.kill(another, 'SIGKILL');
    await until(() => pool.statistics().workers.length === 0);
    assert.deepEqual(await pool.map(square, range(5)), range(5).map(square));
    await finish(pool);
  },

  async 'a worker is killed while it starts'() {
    const starts = new Value('i');
    const initializer = (): void => {
      if (starts.add(1) < 5) killSelf();
    };
    const pool = new Pool({ processes: 2, initializer });
    assert.deepEqual(await pool.map(square, range(20), 1), range(20).map(square));
    assert.equal(pool.statistics().lost, 5);
    await finish(pool);
  },

  'a worker is killed while it sends a result of 100 MB': () =>
    leavesNothing(async () => {
      const pool = new Pool(1);
      const isSending = new Value('i');
      const result = pool.applyAsync(() => {
        const bytes = Buffer.alloc(100 * MB, 'x');
        isSending.value = process.pid;
        return bytes;
      });
      await until(() => pool.statistics().workers.length === 1);
      while (isSending.value === 0) sleepSync(5);
      sleepSync(200); // it has filled the line, and waits
      process.kill(isSending.value, 'SIGKILL');
      await assertLost(result, -9, 'SIGKILL');
      assert.equal((await pool.apply(() => Buffer.alloc(100 * MB, 'y'))).length, 100 * MB);
      await finish(pool);
    }),

  async 'big arguments and results'() {
    const pool = new Pool(2);
    const bytes = Buffer.alloc(30 * MB, 'abc');
    const same = (x: unknown): unknown => x;
    await pool.apply(same, [1]);
    assert.deepEqual(await pool.apply(same, [bytes]), bytes);
    assert.deepEqual(await pool.map(same, [bytes, 'text', bytes], 3), [bytes, 'text', bytes]);
    const text = 'ä'.repeat(10 * MB);
    assert.equal(await pool.apply(same, [text]), text);
    assert.deepEqual(await pool.apply(same, [{ text, list: [bytes] }]), { text, list: [bytes] });
    const error = (await pool.apply(same, [new ConfigError('as a value')])) as ConfigError;
    assert.ok(error instanceof Error);
    assert.deepEqual(error.details, { line: 3, tags: new Set(['a']) });
    const sent = await pool.map(same, [new ConfigError('1'), 2, new ConfigError('3')], 3);
    assert.deepEqual(sent.map(String), ['ConfigError: 1', '2', 'ConfigError: 3']);
    await finish(pool);
  },

  'process.exit() in a task': () =>
    leavesNothing(async () => {
      const pool = new Pool(2);
      await assertLost(
        pool.apply(() => process.exit(5)),
        5,
        null,
      );
      await assertLost(
        pool.apply(() => process.exit()),
        0,
        null,
      );
      await assertLost(
        pool.map((i) => (i === 3 ? process.exit(2) : i), range(8), 1),
        2,
        null,
      );
      assert.equal(await pool.apply(square, [4]), 16);
      await finish(pool);
    }),

  'an exception outside of a task': {
    async run() {
      const pool = new Pool(1);
      const result = pool.applyAsync(async () => {
        setTimeout(() => {
          throw new Error('from a timer');
        }, 1);
        await hang();
      });
      await assertLost(result, 1, null);
      assert.equal(await pool.apply(square, [4]), 16);
      await finish(pool);
    },
    stderr: /Error: from a timer/,
  },

  'a promise that nothing can settle': {
    async run() {
      const pool = new Pool(2);
      await assertLost(
        pool.apply(() => new Promise(() => {})),
        13,
        null,
      );
      assert.deepEqual(await pool.map(square, [1, 2]), [1, 4]);
      await finish(pool);
    },
    stderr: /^Process ForkPoolWorker-\d+ ends with exit code 13: .*\n$/,
  },

  async 'a result that cannot be cloned'() {
    const pool = new Pool(2);
    const make = (): unknown => () => {};
    for (let i = 0; i < 20; i++) {
      let told: unknown;
      const errorCallback = (error: unknown): void => void (told = error);
      const error = await caught(pool.applyAsync(make, [], { errorCallback }));
      assert.equal(codeOf(error), 'ERR_TRUEFORK_NOT_CLONABLE');
      assert.equal(told, error);
    }
    assert.equal(pool.statistics().lost, 0);
    assert.equal(pool.statistics().forks, 1);
    const some = (i: number): unknown => (i === 2 ? Symbol('no') : i);
    assert.equal(codeOf(await caught(pool.map(some, range(5), 5))), 'ERR_TRUEFORK_NOT_CLONABLE');
    const outcomes = await pool.map(some, range(5), { settle: true, chunksize: 5 });
    assert.deepEqual(
      outcomes.map(({ status }) => status === 'fulfilled'),
      [true, true, false, true, true],
    );
    assert.equal(
      codeOf(await caught(pool.apply(() => new URL('http://x.y')))),
      'ERR_TRUEFORK_NOT_CLONABLE',
    );
    await finish(pool);
  },

  async 'an argument that cannot be cloned'() {
    const pool = new Pool(2);
    const type = (x: unknown): string => typeof x;
    assert.equal(await pool.apply(type, [1]), 'number');
    for (let i = 0; i < 10; i++) {
      const results = [
        pool.apply(type, [1]),
        pool.apply(type, [() => {}]),
        pool.apply(type, ['x']),
      ];
      const [one, two, three] = await Promise.allSettled(results);
      assert.deepEqual(
        [one, three].map((o) => o!.status),
        ['fulfilled', 'fulfilled'],
      );
      assert.equal(codeOf((two as PromiseRejectedResult).reason), 'ERR_TRUEFORK_NOT_CLONABLE');
    }
    const items = [1, Symbol('no'), 'x'];
    assert.equal(codeOf(await caught(pool.map(type, items))), 'ERR_TRUEFORK_NOT_CLONABLE');
    const outcomes = await pool.map(type, items, { settle: true, chunksize: 3 });
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    const seen: string[] = [];
    const iterator = pool.imap(type, items);
    for (let i = 0; i < 3; i++) {
      seen.push(await iterator.next().then(({ value }) => String(value), codeOf as () => string));
    }
    assert.deepEqual(seen, ['number', 'ERR_TRUEFORK_NOT_CLONABLE', 'string']);
    assert.equal((await iterator.next()).done, true);
    await finish(pool);
  },

  async 'an error with all that belongs to it'() {
    const pool = new Pool(2);
    const cause = Object.assign(new TypeError('the cause'), { code: 'E_CAUSE' });
    async function whoAsks(): Promise<unknown> {
      return await caught(
        pool.apply(function parseConfig() {
          throw new ConfigError('it is wrong', { cause });
        }),
      );
    }
    const error = (await whoAsks()) as ConfigError;
    assert.ok(error instanceof Error);
    assert.equal(error.name, 'ConfigError');
    assert.equal(error.message, 'it is wrong');
    assert.equal(error.path, '/some/where');
    assert.deepEqual(error.details, { line: 3, tags: new Set(['a']) });
    assert.match(
      error.stack!,
      /it is wrong\n[^]* at whoAsks [^]*\n {4}in ForkPoolWorker-1, pid \d+:\n[^]* at parseConfig /,
    );
    assert.doesNotMatch(error.stack!.split('in ForkPoolWorker')[0]!, /lib|dist\/pool/);
    const received = error.cause as Error & { code: string };
    assert.ok(received instanceof TypeError);
    assert.deepEqual([received.message, received.code], ['the cause', 'E_CAUSE']);
    await assert.rejects(
      pool.map(() => assert.equal(1, 2), [1]),
      { code: 'ERR_ASSERTION' },
    );
    const aggregate = await caught(
      pool.apply(() => Promise.reject(new AggregateError([new RangeError('1')]))),
    );
    assert.ok((aggregate as AggregateError).errors[0] instanceof RangeError);
    await finish(pool);
  },

  async 'errors that are hard to send'() {
    const pool = new Pool(2);
    const circular = await caught(
      pool.apply(() => {
        const error = new Error('circular') as Error & { self: unknown; cause: unknown };
        error.self = { error };
        error.cause = error;
        throw error;
      }),
    );
    assert.equal(circular.message, 'circular');
    const throwing = await caught(
      pool.apply(() => {
        const error = new Error('getter');
        const get = (): never => assert.fail();
        Object.defineProperty(error, 'x', { get, enumerable: true });
        throw Object.assign(error, { fn: () => {}, symbol: Symbol('s'), n: 1 });
      }),
    );
    assert.equal(throwing.message, 'getter');
    assert.equal((throwing as Error & { n: number }).n, 1);
    for (const thing of ['text', 42, null, undefined, { an: 'object' }]) {
      assert.deepEqual(await caught(pool.apply(() => Promise.reject(thing))), thing);
      assert.deepEqual(
        await caught(
          pool.apply(() => {
            throw thing;
          }),
        ),
        thing,
      );
    }
    const strange = (): never => {
      // oxlint-disable-next-line typescript/only-throw-error -- anything can be thrown
      throw () => {};
    };
    assert.equal(codeOf(await caught(pool.apply(strange))), 'ERR_TRUEFORK_NOT_CLONABLE');
    assert.equal(pool.statistics().lost, 0);
    await finish(pool);
  },

  'an initializer that throws': () =>
    leavesNothing(async () => {
      const initializer = (): never => {
        throw new ConfigError('not configured');
      };
      const pool = new Pool({ processes: 2, initializer });
      const results = await Promise.allSettled([
        pool.map(square, range(10), 1),
        pool.apply(square, [1]),
        pool.imap(square, [1]).next(),
      ]);
      for (const result of results) {
        const { reason } = result as PromiseRejectedResult;
        assert.ok(reason instanceof BrokenPoolError, inspect(reason));
        assert.equal(reason.code, 'ERR_TRUEFORK_POOL_BROKEN');
        assert.equal(reason.message, 'the pool is broken: not configured');
        assert.equal((reason.cause as Error).name, 'ConfigError');
      }
      const { reason } = results[0] as PromiseRejectedResult;
      assert.notEqual(reason, (results[1] as PromiseRejectedResult).reason);
      await assert.rejects(pool.apply(square, [1]), BrokenPoolError);
      assert.throws(() => pool.mapAsync(square, [1]), BrokenPoolError);
      assert.ok(pool.statistics().forks <= 6);
      await finish(pool);
    }),

  'initializers that reject, exit, hang': () =>
    leavesNothing(async () => {
      const cases: [() => unknown, string, number?][] = [
        [() => Promise.reject(new Error('late')), 'late'],
        [() => process.exit(3), '3 workers in a row ended before they were ready (they exit)'],
        [hang, 'the initializer took longer than 50 ms', 50],
        [spin, 'the initializer took longer than 50 ms', 50],
      ];
      for (const [initializer, message, initializerTimeout] of cases) {
        const pool = new Pool({ processes: 1, initializer, initializerTimeout });
        const error = await caught(pool.apply(square, [1]));
        assert.ok(error instanceof BrokenPoolError);
        assert.equal(error.message, `the pool is broken: ${message}`);
        await finish(pool);
      }
    }),

  'a callback that throws': {
    async run() {
      const pool = new Pool(2);
      const callback = (): never => {
        throw new ConfigError('in the callback');
      };
      const result = pool.applyAsync(square, [3], { callback });
      await assert.rejects(result.get(), { name: 'ConfigError' });
      await assert.rejects(pool.mapAsync(square, [3], { callback }).get(), { name: 'ConfigError' });
      const errorCallback = (): never => {
        throw new Error('in the error callback');
      };
      const failing = pool.applyAsync(() => assert.fail('the task'), [], { errorCallback });
      await assert.rejects(failing.get(), { message: 'the task' });
      await assert.rejects(pool.map(square, range(10), { onProgress: callback }), ConfigError);
      assert.equal(await pool.apply(square, [3]), 9);
      await finish(pool);
    },
    stderr: /Error: in the error callback/,
  },

  async 'a second terminate() neither asks again nor puts off the end'() {
    const asked = new Value('i');
    const pool = new Pool(1);
    const deaf = (): Promise<never> => {
      process.on('SIGTERM', () => void asked.add(1));
      asked.value = 0;
      return hang();
    };
    asked.value = -1;
    const result = pool.applyAsync(deaf);
    await until(() => asked.value === 0);
    pool.terminate();
    const again = setInterval(() => pool.terminate(), 100);
    assert.equal(await pool.join(60_000), true);
    clearInterval(again);
    assert.equal(codeOf(await caught(result)), 'ERR_TRUEFORK_POOL_TERMINATED');
    assert.equal(asked.value, 1);
  },

  async 'a worker that was told to end is not lost, although another one is'() {
    const pool = new Pool({ processes: 2, maxRestarts: 0 });
    const nap = (): Promise<void> => sleep(100);
    await Promise.all([pool.apply(nap), pool.apply(nap)]);
    assert.equal(pool.statistics().workers.length, 2);
    pool.resize(1);
    const other = (): number | undefined =>
      pool.statistics().workers.find(({ state }) => state === 'idle')?.pid;
    while (pool.statistics().workers.every(({ state }) => state === 'idle'))
      await Promise.resolve();
    process.kill(other()!, 'SIGKILL');
    sleepSync(300); // so that both ends come in one turn
    await until(() => pool.statistics().state === 'BROKEN');
    assert.equal(pool.statistics().lost, 1);
    assert.equal(await pool.join(20_000), true);
  },

  async 'get() after terminate()'() {
    const pool = new Pool(2);
    const results = [
      pool.applyAsync(hang),
      pool.mapAsync(hang, range(10)),
      pool.applyAsync(spin),
      pool.applyAsync(square, [1]),
    ];
    const iterator = pool.imap(hang, range(100));
    await until(() => pool.statistics().workers.length === 2);
    pool.terminate();
    for (const result of results) {
      const error = await caught(result.get());
      assert.equal(codeOf(error), 'ERR_TRUEFORK_POOL_TERMINATED');
      assert.equal(result.successful(), false);
    }
    assert.equal(codeOf(await caught(iterator.next())), 'ERR_TRUEFORK_POOL_TERMINATED');
    assert.equal((await iterator.next()).done, true);
    assert.equal(await pool.join(10_000), true);
  },

  'terminate() from wherever something is told': () =>
    leavesNothing(async () => {
      const ways: ((pool: Pool) => PromiseLike<unknown>)[] = [
        (pool) => pool.applyAsync(square, [1], { callback: () => pool.terminate() }),
        (pool) => pool.apply(square, [1]).then(() => pool.terminate()),
        (pool) =>
          pool.map(square, range(100), { chunksize: 1, onProgress: () => pool.terminate() }),
        (pool) =>
          pool.applyAsync(() => assert.fail(), [], { errorCallback: () => pool.terminate() }),
        async (pool) => {
          for await (const _ of pool.imap(square, range(100))) pool.terminate();
        },
      ];
      for (const way of ways) {
        const pool = new Pool(2);
        const other = pool.applyAsync(hang);
        await Promise.resolve(way(pool)).catch(() => {});
        assert.equal(await pool.join(10_000), true);
        assert.equal(codeOf(await caught(other)), 'ERR_TRUEFORK_POOL_TERMINATED');
      }
    }),

  'a worker that does not listen to SIGTERM': () =>
    leavesNothing(async () => {
      const pool = new Pool(2);
      const isReady = new Value('i');
      const deaf = async (): Promise<void> => {
        process.on('SIGTERM', () => {});
        isReady.add(1);
        await hang();
      };
      const results = [pool.applyAsync(deaf), pool.applyAsync(deaf)];
      await until(() => isReady.value === 2);
      const start = performance.now();
      pool.terminate();
      assert.equal(await pool.join(), true);
      assert.ok(performance.now() - start < 10_000);
      for (const result of results) await caught(result);
    }),

  'a pool that is dropped': {
    async run() {
      let pool: Pool | undefined = new Pool(2);
      const result = pool.mapAsync((i) => sleep(50).then(() => i), range(4));
      await pool.apply(square, [2]);
      pool = undefined;
      for (let i = 0; i < 50 && children().size > 0; i++) {
        gc();
        await sleep(20);
      }
      // Tasks that were under way are done.
      assert.deepEqual(await result, range(4));
      await until(() => children().size === 0);
    },
    stderr: /ResourceWarning: A pool was garbage and had not been closed/,
    options: { nodeArgs: ['--expose-gc'] },
  },

  'a failure that nobody asks for': {
    async run() {
      const pool = new Pool(2);
      pool.applyAsync(() => assert.fail('unseen'));
      const seen = pool.applyAsync(() => assert.fail('seen'));
      await caught(seen);
      for (let i = 0; i < 5; i++) {
        await pool.apply(square, [2]);
        gc();
        await sleep(10);
      }
      await finish(pool);
    },
    stderr:
      /^\(node:\d+\) PoolWarning: A task of a pool failed, and nobody asked for its result: AssertionError \[ERR_ASSERTION\]: unseen\n[^]*$/,
    options: { nodeArgs: ['--expose-gc'] },
  },

  'the pool of the parent is not for a child': () =>
    leavesNothing(async () => {
      const pool = new Pool(2);
      const use = (): unknown[] => {
        const codes: unknown[] = [];
        const uses = [
          () => pool.applyAsync(square, [1]),
          () => pool.mapSync(square, [1]),
          () => pool.imap(square, [1]),
          () => pool.close(),
          () => pool.terminate(),
          () => pool.joinSync(),
          () => pool.resize(1),
        ];
        for (const one of uses) {
          try {
            one();
            codes.push('used');
          } catch (error) {
            codes.push(codeOf(error));
          }
        }
        return codes;
      };
      assert.deepEqual(await pool.apply(use), Array(7).fill('ERR_TRUEFORK_NOT_THE_CREATOR'));
      const child = new Process({
        target: () => assert.deepEqual(new Set(use()), new Set(['ERR_TRUEFORK_NOT_THE_CREATOR'])),
      });
      child.start();
      assert.equal(await child.join(), 0);
      const busy = pool.map((i) => sleep(20).then(() => i), range(8), 1);
      await sleep(5);
      const pid = fork();
      if (pid === 0) {
        await sleep(50);
        _exit(new Set(use()).size);
      }
      assert.deepEqual(await busy, range(8));
      assert.equal(waitpid(pid)!.exitcode, 1);
      assert.equal(await pool.apply(square, [3]), 9);
      await finish(pool);
    }),

  'what is garbage in a worker may be in use in the parent': {
    async run() {
      const pool = new Pool(2);
      const unseen = pool.applyAsync(() => assert.fail('seen later'));
      await unseen.wait();
      const iterator = pool.imap(square, range(200));
      await pool.map(() => gc(), range(20), 1);
      await pool.map(() => sleep(1).then(gc), range(20), 1);
      for (const i of range(200)) assert.equal((await iterator.next()).value, i * i);
      assert.equal(await pool.apply(square, [3]), 9);
      await finish(pool);
    },
    options: { nodeArgs: ['--expose-gc'] },
  },

  async 'somebody else reaps a worker'() {
    const pool = new Pool(1);
    const pid = await pool.apply(() => process.pid);
    process.kill(pid, 'SIGKILL');
    waitpid(pid);
    assert.equal(await pool.apply(square, [3]), 9);
    await finish(pool);
  },

  'a fork that is refused': {
    async run() {
      const pool = new Pool(2);
      await pool.apply(square, [1]);
      const inspector = await import('node:inspector');
      inspector.open(0, '127.0.0.1');
      try {
        const error = await caught(pool.apply(() => 'new'));
        assert.equal(codeOf(error), 'ERR_TRUEFORK_INSPECTOR');
        assert.equal(await pool.apply(square, [4]), 16);
        assert.deepEqual(await pool.map(square, range(10), 1), range(10).map(square));
      } finally {
        inspector.close();
      }
      assert.equal(await pool.apply(() => 'new'), 'new');
      await finish(pool);
    },
    stderr: /^Debugger listening/,
  },

  // A program for the next ones.
  'a pool at work': {
    async run() {
      const pool = new Pool(2);
      process.on('SIGINT', () => {
        process.exitCode = 3;
        console.log('interrupted');
        pool.terminate();
      });
      const results = [pool.applyAsync(spin), pool.applyAsync(hang), pool.applyAsync(square, [1])];
      await until(() => pool.statistics().workers.length === 2);
      const pids = pool.statistics().workers.map((worker) => worker.pid);
      console.log(JSON.stringify({ pids }));
      for (const result of results) console.log(codeOf(await caught(result)));
      await pool.join();
    },
    code: 3,
    stdout: /^\{.*\}\ninterrupted\n(ERR_TRUEFORK_POOL_TERMINATED\n){3}$/,
    options: {},
  },
};

// It runs until it is ended: as a test only by those who do that.
const { 'a pool at work': atWork, ...others } = scenarios;
export const tests: Scenarios = {
  ...others,

  async 'Ctrl-C is for the owner alone'() {
    const program = startProgram('a pool at work', { detached: true });
    const { pids } = await program.report<{ pids: number[] }>();
    process.kill(-program.pid, 'SIGINT');
    assert.deepEqual(await program.end(), { code: 3, signal: null });
    assert.equal(program.stderr, '');
    assert.match(program.stdout, /interrupted\n(ERR_TRUEFORK_POOL_TERMINATED\n){3}$/);
    assert.deepEqual(pids.filter(isRunning), []);
  },

  async 'the owner is killed'() {
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGHUP'] as const) {
      const program = startProgram('a pool at work', { detached: true });
      const { pids } = await program.report<{ pids: number[] }>();
      process.kill(program.pid, signal);
      assert.deepEqual(await program.end(), { code: null, signal });
      await until(() => !pids.some(isRunning));
      assert.equal(program.stderr, '');
    }
  },
};
scenarios['Ctrl-C is for the owner alone'] = tests['Ctrl-C is for the owner alone']!;
scenarios['the owner is killed'] = tests['the owner is killed']!;
void atWork;
