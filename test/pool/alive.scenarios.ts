// A wait for a pool keeps the program alive, whatever state that is in: in these programs
// nothing else does. One that ended too early would have exit code 13.
import assert from 'node:assert/strict';
import { Pool, Process, Value, type PoolOptions, type ProcessError } from 'truefork';
import { _exit, fork, waitpid } from 'truefork/posix';
import { sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { caught, finish, hang, range, spin, square } from './support.js';

/** Does not keep the program alive. */
function pass(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

async function slowly(x: number): Promise<number> {
  await sleep(20);
  return x * x;
}

async function* inputs(): AsyncGenerator<number> {
  for (const x of range(3)) {
    await pass(20);
    yield x;
  }
}

const SQUARES = range(3).map(square);

/** Everything of a pool that can be awaited, each with the right outcome. */
const WAITS: Record<string, (pool: Pool) => Promise<void>> = {
  async apply(pool) {
    assert.equal(await pool.apply(slowly, [3]), 9);
  },
  async applyAsync(pool) {
    assert.equal(await pool.applyAsync(slowly, [3]), 9);
    assert.equal(await pool.applyAsync(slowly, [3]).get(30_000), 9);
    const result = pool.applyAsync(slowly, [3]);
    assert.equal(await result.wait(), true);
    assert.equal(await result.wait(1), true);
  },
  async 'a result that is late'(pool) {
    const result = pool.applyAsync(hang);
    assert.equal(await result.wait(10), false);
    assert.equal((await caught(result.get(10))).name, 'TimeoutError');
    pool.terminate();
  },
  async map(pool) {
    assert.deepEqual(await pool.map(slowly, range(3), 1), SQUARES);
    assert.deepEqual(await pool.mapAsync(slowly, range(3)), SQUARES);
    assert.deepEqual(await pool.map(slowly, inputs()), SQUARES);
  },
  async starmap(pool) {
    assert.deepEqual(await pool.starmap(slowly, [[0], [1], [2]]), SQUARES);
  },
  async imap(pool) {
    const values: number[] = [];
    for await (const value of pool.imap(slowly, range(3))) values.push(value);
    assert.deepEqual(values, SQUARES);
    const iterator = pool.imap(slowly, inputs());
    for (const value of SQUARES) assert.deepEqual(await iterator.next(), { done: false, value });
    assert.equal((await iterator.next(30_000)).done, true);
  },
  async imapUnordered(pool) {
    const values: number[] = [];
    for await (const value of pool.imapUnordered(slowly, inputs(), 2)) values.push(value);
    assert.deepEqual(
      values.toSorted((a, b) => a - b),
      SQUARES,
    );
  },
  async 'close and join'(pool) {
    const result = pool.applyAsync(slowly, [3]);
    pool.close();
    assert.equal(await pool.join(), true);
    assert.equal(await result, 9);
  },
  async 'terminate and join'(pool) {
    const result = pool.applyAsync(hang);
    pool.terminate();
    assert.equal((await caught(result)).name, 'ProcessError');
    assert.equal(await pool.join(10_000), true);
  },
  async 'await using'(pool) {
    void pool.applyAsync(hang);
    await pool[Symbol.asyncDispose]();
  },
};

/** Makes a pool for each of them, brings it into a state, and has it awaited. */
function inState(
  enter: (pool: Pool) => unknown,
  options: PoolOptions = { processes: 1 },
): () => Promise<void> {
  return async () => {
    for (const wait of Object.values(WAITS)) {
      const pool = new Pool(options);
      await enter(pool);
      await wait(pool);
      pool.terminate();
      await pool.join();
    }
  };
}

function pidOf(pool: Pool): Promise<number> {
  return pool.apply(() => process.pid);
}

export const scenarios: Scenarios = {
  async 'the example'() {
    const pool = new Pool(1);
    const work = (ms: number): Promise<number> => sleep(ms).then(() => ms);
    const [late, next] = await pool.map(work, [30_000, 1], {
      timeout: 100,
      chunksize: 1,
      settle: true,
    });
    assert.equal(late!.status, 'rejected');
    assert.deepEqual(next, { status: 'fulfilled', value: 1 });
  },
  'without workers': inState(() => {}),
  'with an idle worker': inState((pool) => pool.apply(square, [1])),
  'with a worker that has work': inState((pool) => {
    void pool.applyAsync(sleep, [50]);
  }),
  'a task has taken too long': inState((pool) => caught(pool.apply(hang, [], { timeout: 30 }))),
  // It takes the second until SIGKILL.
  'a task has taken too long and does not listen': async () => {
    const pool = new Pool(1);
    const deaf = (): never => {
      process.on('SIGTERM', () => {});
      return spin();
    };
    assert.equal((await caught(pool.apply(deaf, [], { timeout: 30 }))).name, 'TimeoutError');
    assert.equal(await pool.apply(square, [3]), 9);
    pool.close();
    await pool.join();
  },
  'a task was aborted': inState((pool) =>
    caught(pool.apply(hang, [], { signal: AbortSignal.timeout(30) })),
  ),
  'a task was aborted before it began': inState(async (pool) => {
    const controller = new AbortController();
    void pool.applyAsync(sleep, [50]);
    const result = pool.apply(square, [1], { signal: controller.signal });
    controller.abort();
    await caught(result);
  }),
  'the worker was killed while it was idle': inState(async (pool) => {
    process.kill(await pidOf(pool), 'SIGKILL');
  }),
  'the worker was killed in a task': inState((pool) =>
    caught(pool.apply(() => process.kill(process.pid, 'SIGKILL'))),
  ),
  'a task runs again': async () => {
    const runs = new Value('i');
    const pool = new Pool(1);
    const dieTwice = async (): Promise<number> => {
      if (runs.add(1) < 2) process.kill(process.pid, 'SIGKILL');
      await sleep(20);
      return runs.value;
    };
    assert.equal(await pool.apply(dieTwice, [], { retries: 2 }), 3);
    await finish(pool);
  },
  'during the initializer': inState(() => {}, {
    processes: 1,
    initializer: () => sleep(30),
  }),
  'each task has a worker of its own': inState((pool) => pool.apply(square, [1]), {
    processes: 1,
    maxTasksPerChild: 1,
  }),
  'idle workers end': inState(
    async (pool) => {
      await pool.apply(square, [1]);
      await sleep(30);
    },
    { processes: 1, idleTimeout: 20 },
  ),
  'after a resize': inState(
    (pool) => {
      void pool.mapAsync(slowly, range(4));
      pool.resize(1);
    },
    { processes: 3 },
  ),
  'with concurrency, and a worker that was ended for another task': inState(
    async (pool) => {
      await caught(pool.apply(hang, [], { timeout: 30 }));
    },
    { processes: 1, concurrency: 4 },
  ),

  'a broken pool settles everything': async () => {
    const initializer = async (): Promise<never> => {
      await pass(5);
      await sleep(5);
      throw new Error('no');
    };
    const pool = new Pool({ processes: 2, initializer });
    const outcomes = await Promise.allSettled([
      pool.apply(square, [1]),
      pool.map(square, range(3)),
      pool.map(square, inputs()),
      pool.imap(square, range(3)).next(),
      pool.applyAsync(square, [1]).wait(),
    ]);
    const statuses = outcomes.map(({ status }) => status);
    assert.deepEqual(statuses, [...Array<string>(4).fill('rejected'), 'fulfilled']);
    assert.equal((await caught(pool.apply(square, [1]))).name, 'BrokenPoolError');
    assert.equal(await pool.join(), true);
  },

  'an initializer that takes too long breaks the pool': async () => {
    const pool = new Pool({ processes: 1, initializer: hang, initializerTimeout: 30 });
    assert.equal((await caught(pool.apply(square, [1]))).name, 'BrokenPoolError');
    assert.equal(await pool.join(), true);
  },

  // The others: nothing here may keep a program alive.

  async 'an idle pool does not'() {
    const pool = new Pool(2);
    assert.deepEqual(await pool.map(square, range(3)), SQUARES);
    await caught(pool.apply(hang, [], { timeout: 20 }));
  },

  async 'results that nobody asks an iterator for do not'() {
    const pool = new Pool(1);
    const iterator = pool.imap(square, range(10_000), { buffersize: 5 });
    assert.deepEqual(await iterator.next(), { done: false, value: 0 });
    assert.equal(pool.statistics().pending, 1);
  },

  async 'a wait that is over does not'() {
    const pool = new Pool(1);
    const iterator = pool.imap(square, inputs());
    assert.equal((await caught(iterator.next(1))).name, 'TimeoutError');
    pool.terminate();
    assert.equal(await pool.join(10_000), true);
  },

  async 'in a child that goes on with the work of its parent, this does not'() {
    const pool = new Pool(1);
    const result = pool.applyAsync(slowly, [3]);
    const joined = sleep(1).then(() => {
      const pid = fork();
      if (pid === 0) {
        process.on('exit', () => _exit(7));
        return undefined;
      }
      return pid;
    });
    const pid = await joined;
    // That is not the child's to await, and to wait for it does not keep the child alive.
    if (pid === undefined) await new Promise(() => {});
    assert.equal(await result, 9);
    assert.equal(waitpid(pid!)!.exitcode, 7);
    pool.close();
    await pool.join();
  },

  async 'a child is told that nobody settles what its parent waits for'() {
    const pool = new Pool(1);
    const result = pool.applyAsync(sleep, [100]);
    const promise = result.get();
    const iterator = pool.imap(hang, [1]);
    const child = new Process({
      target: async () => {
        for (const wait of [() => result, () => result.get(), () => result.wait(1000)]) {
          const error = (await caught(wait())) as ProcessError;
          assert.equal(error.code, 'ERR_TRUEFORK_NOT_THE_CREATOR');
        }
        const error = (await caught(iterator.next())) as ProcessError;
        assert.equal(error.code, 'ERR_TRUEFORK_NOT_THE_CREATOR');
      },
    });
    child.start();
    assert.equal(await child.join(), 0);
    await promise;
    pool.terminate();
    await pool.join();
  },
};
