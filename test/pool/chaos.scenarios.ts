// Random work, and random kills. With CHAOS_ROUNDS it takes longer.
import assert from 'node:assert/strict';
import { Pool, Process, SharedArray, type PoolOptions } from 'truefork';
import { children, isRunning, sleep, until } from '../support/observe.js';
import { rounds } from '../support/rounds.js';
import type { Scenarios } from '../support/scenarios.js';
import { caught, finish, hang, leavesNothing, range, square } from './support.js';

const ROUNDS = Number(process.env['CHAOS_ROUNDS'] ?? rounds(100));
const SEED = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1e6);

/** Random numbers that can be had again. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** From 0 up to, and without, `n`. */
  below(n: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * n);
  }

  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

function burn(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

function work(n: number): unknown {
  switch (n % 17) {
    case 1:
      return sleep(n % 5).then(() => n);
    case 2:
      burn(n % 3);
      return n;
    case 3:
      return Buffer.alloc(n * 1000, n);
    case 4:
      throw new RangeError(`${n}`);
    case 5:
      return () => {};
    case 6:
      return 'x'.repeat(n * 100);
    default:
      return n;
  }
}

function options(dice: Dice): PoolOptions {
  return {
    processes: 1 + dice.below(3),
    concurrency: dice.pick([1, 1, 3]),
    maxTasksPerChild: dice.pick([null, null, 1, 7]),
    idleTimeout: dice.pick([undefined, 5]),
    initializer: dice.pick([undefined, () => sleep(2)]),
  };
}

/** Something to do, and a promise that is settled when that is over. */
function submit(pool: Pool, dice: Dice): Promise<unknown> {
  const n = dice.below(100);
  const known = dice.oneIn(2);
  const fn = known ? work : (i: number) => work(i + n);
  const retries = dice.below(2);
  const signal = dice.oneIn(8) ? AbortSignal.timeout(dice.below(30)) : undefined;
  const timeout = dice.oneIn(8) ? 1 + dice.below(30) : undefined;
  const task = { retries, signal, timeout };
  const size = dice.below(60);
  switch (dice.below(7)) {
    case 0:
      return pool.apply(fn, [n], task);
    case 1:
      return pool.map(fn, range(size), { ...task, failFast: dice.oneIn(2) });
    case 2:
      return pool.map(fn, range(size), { ...task, settle: true, chunksize: 1 + dice.below(9) });
    case 3:
      return Promise.all(range(size).map((i) => pool.applyAsync(fn, [i], task).wait()));
    case 4:
      return (async () => {
        for await (const _ of pool.imap(fn, range(size), {
          ...task,
          chunksize: 1 + dice.below(4),
        }));
      })();
    case 5:
      return (async () => {
        const iterator = pool.imapUnordered(fn, range(1000), task);
        for (let i = 0; i < size; i++) await iterator.next().catch(() => {});
        await iterator.return();
      })();
    default:
      return (async () => pool.mapSync(fn, range(size % 10), { ...task, settle: true }))();
  }
}

/** It may have ended by itself. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
  }
}

async function round(dice: Dice): Promise<void> {
  const pool = new Pool(options(dice));
  const jobs: Promise<unknown>[] = [];
  const kills = dice.below(4);
  for (let i = dice.below(8); i >= 0; i--) {
    jobs.push(submit(pool, dice).catch(() => {}));
    if (dice.oneIn(2)) await sleep(dice.below(4));
    if (dice.oneIn(10)) pool.resize(1 + dice.below(3));
  }
  for (let i = 0; i < kills; i++) {
    const { workers } = pool.statistics();
    if (workers.length > 0) kill(dice.pick(workers).pid, dice.pick(['SIGKILL', 'SIGTERM']));
    await sleep(dice.below(6));
  }
  if (dice.oneIn(4)) pool.terminate();
  await Promise.all(jobs);
  pool.close();
  assert.equal(await pool.join(60_000), true, 'the pool has not ended');
}

async function bounded(promise: Promise<void>, seed: number): Promise<void> {
  const late = sleep(250_000).then(() => assert.fail('it takes for ever'));
  try {
    await Promise.race([promise, late]);
  } catch (error) {
    throw new Error(`with CHAOS_SEED=${seed}`, { cause: error });
  }
}

/** Owns a pool, writes the pids of its workers to `pids`, and works until it is killed. */
async function own(pids: SharedArray<'i'>, seed: number): Promise<void> {
  const dice = new Dice(seed);
  const pool = new Pool({ processes: 3 });
  for (let next = 0; ;) {
    const jobs = range(4).map(() => submit(pool, dice).catch(() => {}));
    await sleep(1);
    for (const { pid } of pool.statistics().workers) {
      if (!pids.includes(pid)) pids[next++ % pids.length] = pid;
    }
    await Promise.all(jobs);
  }
}

const limit = { options: { timeout: 300_000 + ROUNDS * 10_000 } };

export const scenarios: Scenarios = {
  'workers are killed': {
    async run() {
      await leavesNothing(async () => {
        for (let seed = SEED; seed < SEED + ROUNDS; seed++) {
          await bounded(round(new Dice(seed)), seed);
          assert.equal(children().size, 0, `with CHAOS_SEED=${seed}`);
        }
      });
      process.exit(); // timers of ours would keep it
    },
    ...limit,
  },

  // The pool and its worker decide at once whether the task has begun, and have to agree.
  'tasks are aborted as they begin': {
    async run() {
      const pool = new Pool(1);
      for (let i = 0; i < ROUNDS * 6; i++) {
        assert.equal(await pool.applyAsync(square, [3]).get(60_000), 9);
        const controller = new AbortController();
        const { signal } = controller;
        const task = pool.apply(hang, [], { signal });
        await Promise.resolve();
        burn((i % 100) / 100);
        controller.abort();
        assert.equal((await caught(task)).name, 'AbortError');
      }
      await finish(pool);
    },
    ...limit,
  },

  'the owner is killed': {
    async run() {
      const pids = new SharedArray('i', 64);
      for (let i = 0; i < Math.ceil(ROUNDS / 4); i++) {
        pids.fill(0);
        const owner = new Process({ target: own, args: [pids, SEED + i] });
        owner.start();
        const dice = new Dice(SEED + i);
        if (dice.oneIn(2)) await until(() => pids[0] !== 0);
        await sleep(dice.below(30));
        owner.kill();
        await owner.join();
        await until(() => ![...pids].some((pid) => pid !== 0 && isRunning(pid)));
      }
    },
    ...limit,
  },
};
