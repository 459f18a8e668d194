// The demands of Python's test suite on a Pool.
import assert from 'node:assert/strict';
import { AsyncResult, currentProcess, Pool, ProcessError, TimeoutError } from 'truefork';
import { sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { caught, finish, hang, leavesNothing, multiply, range, square } from './support.js';

async function slowSquare(x: number, ms = 0): Promise<number> {
  await sleep(ms);
  return x * x;
}

function* failingAt(n: number, length: number): Generator<number> {
  for (let i = 0; i < length; i++) {
    if (i === n) throw new SyntaxError('the input');
    yield i;
  }
}

async function drain<T>(iterator: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of iterator) values.push(value);
  return values;
}

function sorted(values: number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

export const scenarios: Scenarios = {
  'apply, applyAsync and applySync': () =>
    leavesNothing(async () => {
      const pool = new Pool(2);
      assert.equal(await pool.apply(square, [5]), 25);
      assert.equal(await pool.apply(slowSquare, [6, 1]), 36);
      assert.equal(await pool.apply(() => 'no arguments'), 'no arguments');
      const result = pool.applyAsync(square, [7]);
      assert.ok(result instanceof AsyncResult);
      assert.equal(await result, 49);
      assert.equal(await result.get(), 49);
      assert.equal(pool.applySync(square, [8]), 64);
      assert.equal(pool.applySync(slowSquare, [9, 1]), 81);
      await finish(pool);
    }),

  async 'map, mapAsync and mapSync'() {
    const pool = new Pool(3);
    assert.deepEqual(await pool.map(square, range(10)), range(10).map(square));
    assert.deepEqual(await pool.map(square, range(100), 20), range(100).map(square));
    assert.deepEqual(await pool.map(slowSquare, range(9)), range(9).map(square));
    assert.deepEqual(await pool.mapAsync(square, range(10)), range(10).map(square));
    assert.deepEqual(pool.mapSync(square, range(50), { chunksize: 7 }), range(50).map(square));
    assert.deepEqual(await pool.map(square, new Set([1, 2])), [1, 4]);
    assert.deepEqual(await pool.map(square, new Uint8Array([1, 2])), [1, 4]);
    assert.deepEqual(await pool.map((c) => c + c, 'abc'), ['aa', 'bb', 'cc']);
    async function* later(): AsyncGenerator<number> {
      for (const i of range(5)) yield ((await sleep(1), i));
    }
    assert.deepEqual(await pool.map(square, later()), range(5).map(square));
    await finish(pool);
  },

  async 'starmap, starmapAsync and starmapSync'() {
    const pool = new Pool(2);
    const pairs = range(10).map((i): [number, number] => [i, i + 1]);
    const products = pairs.map(([x, y]) => x * y);
    assert.deepEqual(await pool.starmap(multiply, pairs), products);
    assert.deepEqual(await pool.starmap(multiply, pairs, { chunksize: 20 }), products);
    assert.deepEqual(await pool.starmapAsync(multiply, pairs, 3), products);
    assert.deepEqual(pool.starmapSync(multiply, pairs), products);
    await finish(pool);
  },

  async 'nothing to map'() {
    const pool = new Pool(2);
    assert.deepEqual(await pool.map(square, [], 1), []);
    assert.deepEqual(await pool.map(square, []), []);
    assert.deepEqual(await pool.starmap(multiply, []), []);
    assert.deepEqual(pool.mapSync(square, []), []);
    assert.deepEqual(await drain(pool.imap(square, [])), []);
    assert.deepEqual(await pool.map(square, [], { settle: true }), []);
    await finish(pool);
  },

  async 'the default chunksize gives each process four tasks'() {
    const pool = new Pool(2);
    await pool.map(square, range(81)); // ceil(81 / 8) is 11: eight tasks
    const { workers } = pool.statistics();
    assert.equal(
      workers.reduce((sum, { completed }) => sum + completed, 0),
      8,
    );
    await finish(pool);
  },

  async 'an input that throws'() {
    const pool = new Pool(2);
    for (const at of [0, 5, 9]) {
      const error = await caught(pool.map(square, failingAt(at, 10)));
      assert.ok(error instanceof SyntaxError && !error.stack!.includes('ForkPoolWorker'));
      const imap = pool.imap(square, failingAt(at, 10));
      for (let i = 0; i < at; i++) assert.equal((await imap.next()).value, i * i);
      await assert.rejects(imap.next(), SyntaxError);
      assert.equal((await imap.next()).done, true);
      await assert.rejects(drain(pool.imapUnordered(square, failingAt(at, 10), 2)), SyntaxError);
    }
    await finish(pool);
  },

  async 'get() and wait() with a timeout'() {
    const pool = new Pool(2);
    const result = pool.applyAsync(hang);
    const start = performance.now();
    await assert.rejects(result.get(50), TimeoutError);
    assert.equal(await result.wait({ timeout: 10 }), false);
    assert.equal(result.waitSync(10), false);
    assert.throws(() => result.getSync(10), TimeoutError);
    assert.ok(performance.now() - start >= 70);
    assert.equal(result.ready(), false);
    assert.throws(() => result.successful(), { code: 'ERR_TRUEFORK_NOT_READY' });
    await assert.rejects(result.get({ signal: AbortSignal.abort('enough') }), {
      name: 'AbortError',
    });
    await assert.rejects(result.wait({ signal: AbortSignal.abort() }), { name: 'AbortError' });
    const good = pool.applyAsync(square, [3]);
    assert.equal(await good.wait(), true);
    assert.equal(good.ready() && good.successful(), true);
    assert.equal(good.getSync(0), 9);
    const bad = pool.applyAsync(() => assert.fail());
    assert.equal(bad.waitSync(), true);
    assert.equal(bad.successful(), false);
    await assert.rejects(bad.get(), { name: 'AssertionError', code: 'ERR_ASSERTION' });
    pool.terminate();
    await pool.join();
  },

  async callbacks() {
    const pool = new Pool(2);
    const log: unknown[] = [];
    const callback = (value: unknown): void => void log.push(value);
    const errorCallback = (error: unknown): void => void log.push((error as Error).message);
    await pool.applyAsync(square, [3], { callback, errorCallback });
    await pool.mapAsync(square, [1, 2], { callback, errorCallback });
    await pool.starmapAsync(multiply, [[3, 4]], { callback, errorCallback });
    const failing = (): never => {
      throw new Error('told');
    };
    await pool.applyAsync(failing, [], { callback, errorCallback }).wait();
    await pool.mapAsync(failing, [1, 2], { callback, errorCallback }).wait();
    assert.deepEqual(log, [9, [1, 4], [12], 'told', 'told']);
    await finish(pool);
  },

  async imap() {
    const pool = new Pool(3);
    assert.deepEqual(await drain(pool.imap(square, range(10))), range(10).map(square));
    assert.deepEqual(await drain(pool.imap(square, range(1000), 100)), range(1000).map(square));
    assert.deepEqual(
      await drain(pool.imap(square, range(1001), { chunksize: 7 })),
      range(1001).map(square),
    );
    const iterator = pool.imap(square, range(3));
    assert.deepEqual(await iterator.next(), { done: false, value: 0 });
    assert.deepEqual(iterator.nextSync(), { done: false, value: 1 });
    assert.deepEqual(await iterator.next(10_000), { done: false, value: 4 });
    assert.deepEqual(await iterator.next(), { done: true, value: undefined });
    assert.deepEqual(iterator.nextSync(), { done: true, value: undefined });
    await finish(pool);
  },

  async imapUnordered() {
    const pool = new Pool(3);
    assert.deepEqual(
      sorted(await drain(pool.imapUnordered(square, range(100)))),
      range(100).map(square),
    );
    assert.deepEqual(
      sorted(await drain(pool.imapUnordered(square, range(1000), 53))),
      range(1000).map(square),
    );
    const first = await pool.imapUnordered((ms) => sleep(ms).then(() => ms), [2000, 1]).next();
    assert.equal(first.value, 1);
    pool.terminate();
    await pool.join();
  },

  async 'an imap goes on behind an error, and a for await does not'() {
    const pool = new Pool(2);
    const odd = (x: number): number => {
      if (x % 2 === 0) throw new RangeError(`${x}`);
      return x;
    };
    const iterator = pool.imap(odd, range(4), 2);
    const outcomes: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      outcomes.push(
        await iterator.next().then(
          ({ value }) => value,
          (error: unknown) => (error as Error).message,
        ),
      );
    }
    assert.deepEqual(outcomes, ['0', 1, '2', 3]);
    await assert.rejects(drain(pool.imap(odd, range(1000))), RangeError);
    await finish(pool);
  },

  async 'next() with a timeout loses nothing'() {
    const pool = new Pool(1);
    const iterator = pool.imap((ms: number) => sleep(ms).then(() => ms), [300, 1]);
    await assert.rejects(iterator.next(20), TimeoutError);
    assert.throws(() => iterator.nextSync(20), TimeoutError);
    const [one, two, three] = await Promise.all([
      iterator.next(),
      iterator.next(),
      iterator.next(),
    ]);
    assert.deepEqual([one.value, two.value, three.done], [300, 1, true]);
    await finish(pool);
  },

  async 'arguments of the constructor'() {
    for (const size of [-1, 0]) {
      assert.throws(() => new Pool(size), /Number of processes must be at least 1/);
    }
    for (const size of [0.5, '2', Number.NaN]) assert.throws(() => new Pool(size as number));
    for (const most of [0, -1, 0.5, '12']) {
      assert.throws(() => new Pool({ maxTasksPerChild: most as number }));
      assert.throws(() => new Pool(1, undefined, undefined, most as number));
    }
    assert.throws(() => new Pool({ initializer: 'no function' as never }), TypeError);
    assert.throws(() => new Pool(1, 3 as never), TypeError);
    assert.throws(() => new Pool({ initArgs: 3 as never }), TypeError);
    for (const options of [
      { concurrency: 0 },
      { idleTimeout: 0 },
      { initializerTimeout: -1 },
      { maxMemoryPerChild: 0 },
      { maxRestarts: -1 },
    ]) {
      assert.throws(() => new Pool(options), { code: 'ERR_OUT_OF_RANGE' });
    }
    const pool = new Pool(3);
    assert.equal(pool.processes, 3);
    assert.equal(String(pool), '<Pool state=RUN pool_size=3>');
    await pool.map(square, range(3), 1);
    assert.equal(pool.statistics().workers.length, 3);
    await finish(pool);
    assert.equal(String(pool), '<Pool state=CLOSE pool_size=3>');
  },

  async 'arguments of the methods'() {
    await using pool = new Pool(1);
    const no = 1 as never;
    assert.throws(() => pool.applyAsync(no), TypeError);
    assert.throws(() => pool.applyAsync(square, no), TypeError);
    assert.throws(() => pool.mapAsync(no, []), TypeError);
    assert.throws(() => pool.mapAsync(square, no), TypeError);
    assert.throws(() => pool.mapAsync(square, null as never), TypeError);
    assert.throws(() => pool.mapAsync(square, [], 0), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => pool.mapAsync(square, [], 'some' as never), TypeError);
    assert.throws(() => pool.imap(square, [], 0), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => pool.imapUnordered(square, [], { buffersize: 0 }), {
      code: 'ERR_OUT_OF_RANGE',
    });
    assert.throws(() => pool.applyAsync(square, [1], { timeout: 0 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => pool.applyAsync(square, [1], { retries: -1 }), {
      code: 'ERR_OUT_OF_RANGE',
    });
    assert.throws(() => pool.applyAsync(square, [1], { signal: no }), TypeError);
    assert.throws(() => pool.applyAsync(square, [1], { timeout: 'long' as never }), TypeError);
    // A method that returns a promise rejects.
    await assert.rejects(pool.apply(no), TypeError);
    await assert.rejects(pool.map(no, []), TypeError);
    assert.throws(() => pool.resize(0), RangeError);
    assert.throws(() => JSON.stringify(pool), { code: 'ERR_TRUEFORK_NOT_CLONABLE' });
  },

  'terminate returns at once': () =>
    leavesNothing(async () => {
      const pool = new Pool(3);
      const result = pool.mapAsync(() => sleep(100), range(10_000), 1);
      const start = performance.now();
      await pool
        .imapUnordered(square, [1])
        .next(0)
        .catch(() => {});
      pool.terminate();
      assert.equal(await pool.join(5000), true);
      assert.ok(performance.now() - start < 5000);
      await assert.rejects(result.get(), { code: 'ERR_TRUEFORK_POOL_TERMINATED' });
    }),

  async 'await using terminates'() {
    let result: AsyncResult<number[]>;
    let kept: Pool;
    {
      await using pool = new Pool(2);
      kept = pool;
      assert.deepEqual(await pool.map(square, range(10)), range(10).map(square));
      result = pool.mapAsync(hang, range(2));
    }
    await assert.rejects(result.get(), { code: 'ERR_TRUEFORK_POOL_TERMINATED' });
    assert.throws(() => kept.mapAsync(square, [1]), { code: 'ERR_TRUEFORK_POOL_CLOSED' });
    {
      using pool = new Pool(2);
      assert.equal(pool.applySync(square, [2]), 4);
      kept = pool;
    }
    assert.equal(kept.statistics().workers.length, 0);
  },

  async 'a pool that does not run'() {
    const pool = new Pool(2);
    await assert.rejects(pool.join(), {
      code: 'ERR_TRUEFORK_STILL_RUNNING',
      message: 'Pool is still running',
    });
    assert.throws(() => pool.joinSync(), { code: 'ERR_TRUEFORK_STILL_RUNNING' });
    const result = pool.mapAsync(slowSquare, range(20), 1);
    pool.close();
    pool.close();
    const closed = { code: 'ERR_TRUEFORK_POOL_CLOSED', message: 'Pool not running' };
    assert.throws(() => pool.applyAsync(square, [1]), closed);
    assert.throws(() => pool.mapAsync(square, [1]), closed);
    assert.throws(() => pool.imap(square, [1]), closed);
    assert.throws(() => pool.resize(1), closed);
    await assert.rejects(pool.apply(square, [1]), closed);
    await assert.rejects(pool.map(square, [1]), closed);
    assert.equal(await pool.join(), true);
    assert.deepEqual(await result, range(20).map(square));
    pool.terminate();
    assert.equal(await pool.join(), true);
    assert.equal(pool.joinSync(), true);
  },

  async 'join with a timeout'() {
    const pool = new Pool(1);
    const result = pool.applyAsync(hang);
    pool.close();
    assert.equal(await pool.join(20), false);
    assert.equal(pool.joinSync({ timeout: 20 }), false);
    await assert.rejects(pool.join({ signal: AbortSignal.timeout(20) }), { name: 'AbortError' });
    pool.terminate();
    assert.equal(pool.joinSync(10_000), true);
    await assert.rejects(result.get(), ProcessError);
  },

  async 'results may be asked for after the end of the pool'() {
    const pool = new Pool(2);
    const result = pool.mapAsync(square, range(10));
    const iterator = pool.imap(square, range(200));
    pool.close();
    await pool.join();
    assert.deepEqual(await result.get(), range(10).map(square));
    assert.deepEqual(await drain(iterator), range(200).map(square));
  },

  async initializer() {
    let counter = 0;
    const init = async (by: number): Promise<void> => {
      await sleep(1);
      counter += by;
    };
    const pool = new Pool(2, init, [7]);
    assert.deepEqual(await pool.map(() => counter, range(10)), Array(10).fill(7));
    assert.equal(counter, 0);
    await finish(pool);
  },

  async 'workers have names, and are the current process there'() {
    const pool = new Pool(1);
    const name = await pool.apply(() => `${currentProcess().name} ${currentProcess().daemon}`);
    assert.equal(name, 'ForkPoolWorker-1 false');
    await finish(pool);
  },

  maxTasksPerChild: () =>
    leavesNothing(async () => {
      const pool = new Pool({ processes: 3, maxTasksPerChild: 10 });
      const pids = await pool.map(() => process.pid, range(100), 1);
      const counts = new Map<number, number>();
      for (const pid of pids) counts.set(pid, (counts.get(pid) ?? 0) + 1);
      assert.ok(
        Math.max(...counts.values()) <= 10 && counts.size >= 10,
        [...counts.values()].join(),
      );
      assert.equal(pool.statistics().lost, 0);
      await finish(pool);
    }),

  'close before the tasks are done, with one task for each worker': () =>
    leavesNothing(async () => {
      const pool = new Pool({ processes: 3, maxTasksPerChild: 1 });
      const results = range(6).map((i) => pool.applyAsync(slowSquare, [i, 30]));
      pool.close();
      await pool.join();
      assert.deepEqual(await Promise.all(results), range(6).map(square));
    }),

  'a pool that is left at exit does not keep the program': async () => {
    const pool = new Pool(2);
    (globalThis as { kept?: unknown }).kept = pool;
    await pool.map(square, range(10));
  },

  async 'the pool of a pool of a process'() {
    const pool = new Pool(2);
    const nested = async (n: number): Promise<number[]> => {
      await using inner = new Pool(2);
      return await inner.map(square, range(n));
    };
    assert.deepEqual(await pool.map(nested, [3, 4]), [range(3).map(square), range(4).map(square)]);
    await finish(pool);
  },

  async 'what await makes of results'() {
    const pool = new Pool(1);
    const good = pool.applyAsync(square, [3]);
    assert.equal(await good.then((x) => x + 1), 10);
    assert.equal(await good.finally(() => {}), 9);
    const bad = pool.applyAsync(() => Promise.reject(new RangeError('x')));
    assert.equal(await bad.catch((error: unknown) => (error as Error).message), 'x');
    assert.equal(await bad.then(null, () => 'handled'), 'handled');
    await finish(pool);
  },

  async 'no result is lost that is asked for late'() {
    const pool = new Pool(2);
    const results = range(4).map((i) =>
      pool.applyAsync(() => {
        if (i > 0) throw new RangeError(`${i}`);
        return sleep(100);
      }),
    );
    for (const [i, result] of results.entries()) {
      if (i === 0) await result.get();
      else await assert.rejects(result.get(), { message: `${i}` });
    }
    await finish(pool);
  },
};
