// Shared memory that goes to workers and back: what is not sent, or not received, is given back.
import assert from 'node:assert/strict';
import { Pool, type ProcessError, RawArray, Value } from 'truefork';
import { countDescriptors, sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { assertLost, caught, finish, hang, range } from './support.js';

/** So big that it goes by itself, and has a descriptor of its own. */
const big = new RawArray('B', 100_000);
/** Cannot be sent. */
const closure = (): void => {};

function lengthOf(array: ArrayLike<unknown>): number {
  return array.length;
}

/** Twice the same, so that everything is there that is made once. */
async function leavesNoDescriptor(use: () => Promise<unknown>): Promise<void> {
  await use();
  const before = countDescriptors();
  await use();
  const after = countDescriptors();
  assert.ok(after <= before, `${after} descriptors, and ${before} before`);
}

async function assertNotClonable(promise: PromiseLike<unknown>): Promise<void> {
  assert.equal(((await caught(promise)) as ProcessError).code, 'ERR_TRUEFORK_NOT_CLONABLE');
}

/** From then on this process takes nothing that goes beside a message: it is another user's. */
function takeNothing(): void {
  process.geteuid = () => 2 ** 31 - 2;
}

export const scenarios: Scenarios = {
  async 'arguments, one of which cannot be sent'() {
    const pool = new Pool(1);
    const work = (...args: unknown[]): number => args.length;
    await pool.apply(work, [big]);
    await leavesNoDescriptor(async () => {
      for (let i = 0; i < 20; i++) await assertNotClonable(pool.apply(work, [big, closure]));
      await assertNotClonable(pool.apply(work, [{ big }, big, [closure]]));
      await assertNotClonable(pool.starmap(work, [[big], [big, closure], [big]], 3));
    });
    assert.equal(await pool.apply(work, [big, 2]), 2);
    await finish(pool);
  },

  async 'items, one of which cannot be sent'() {
    const pool = new Pool(1);
    const work = (item: unknown): string => typeof item;
    await pool.map(work, [1, 2]);
    await leavesNoDescriptor(async () => {
      const outcomes = await pool.map(work, [big, closure, big, { big }, [closure]], {
        settle: true,
        chunksize: 5,
      });
      const statuses = outcomes.map(({ status }) => status);
      const [yes, no] = ['fulfilled', 'rejected'];
      assert.deepEqual(statuses, [yes, no, yes, yes, no]);
    });
    await finish(pool);
  },

  async 'results, one of which cannot be sent'() {
    const pool = new Pool(1);
    const work = (i: number): unknown => (i % 2 === 0 ? big : closure);
    const count = (): number => countDescriptors();
    const results = async (): Promise<void> => {
      const options = { settle: true, chunksize: 4 } as const;
      const outcomes = await pool.map(work, range(4), options);
      assert.equal(outcomes.filter(({ status }) => status === 'rejected').length, 2);
    };
    await pool.applyAsync(count); // one worker that knows both
    await results();
    await results();
    const before = await pool.apply(count);
    for (let i = 0; i < 10; i++) await results();
    assert.ok((await pool.apply(count)) <= before + 1);
    await finish(pool);
  },

  async 'what a worker had not received when it was lost'() {
    const pool = new Pool(1);
    await pool.apply(lengthOf, [[]]);
    const spun = new Value('i');
    const spin = (): never => {
      spun.value = process.pid;
      for (;;);
    };
    await leavesNoDescriptor(async () => {
      const results = range(3).map(() => pool.applyAsync(spin));
      await until(() => spun.value !== 0);
      // Behind the task that runs, and in the line.
      const others = range(3).map(() => pool.applyAsync(lengthOf, [big]));
      await sleep(20);
      for (const result of results) {
        await until(() => spun.value !== 0);
        const pid = spun.value;
        spun.value = 0;
        process.kill(pid, 'SIGKILL');
        await assertLost(result, -9, 'SIGKILL');
      }
      assert.deepEqual(await Promise.all(others), Array(3).fill(100_000));
    });
    await finish(pool);
  },

  async 'what was taken back, and given to another'() {
    const pool = new Pool(2);
    const pause = (ms: number): Promise<void> => sleep(ms);
    await pool.map(pause, [20, 20], 1);
    await leavesNoDescriptor(async () => {
      const results = range(50).map(() => pool.applyAsync(lengthOf, [big]));
      await Promise.all(results);
      const late = pool.applyAsync(hang, [], { timeout: 50 });
      assert.deepEqual(
        await Promise.all(range(20).map(() => pool.apply(lengthOf, [big]))),
        Array(20).fill(100_000),
      );
      await caught(late);
      // As many workers as before.
      await until(() => pool.statistics().workers.every(({ state }) => state === 'idle'));
      await pool.map(pause, [20, 20], 1);
    });
    await finish(pool);
  },

  async 'arguments that a worker cannot have fail their task, and not the worker'() {
    const pool = new Pool({ processes: 1, initializer: takeNothing });
    const countAndPid = (...args: unknown[]): number[] => [args.length, process.pid];
    const [, pid] = await pool.apply(countAndPid);
    const error = (await caught(pool.apply(countAndPid, [big]))) as ProcessError;
    assert.equal(error.code, 'ERR_TRUEFORK_HANDLE_LOST');
    assert.deepEqual(await pool.apply(countAndPid, [2]), [1, pid]);
    await finish(pool);
  },

  async 'results that cannot be had count once'() {
    takeNothing();
    const pool = new Pool(1);
    const done: number[] = [];
    const work = async (i: number): Promise<unknown> => {
      await sleep(5);
      return i < 2 ? big : i;
    };
    const onProgress = (progress: { done: number }): unknown => done.push(progress.done);
    const error = (await caught(
      pool.map(work, range(6), { chunksize: 3, onProgress }),
    )) as ProcessError;
    assert.equal(error.code, 'ERR_TRUEFORK_HANDLE_LOST');
    assert.equal(Math.max(...done), 6);
    assert.deepEqual(await pool.map(work, [5, 6]), [5, 6]);
    await finish(pool);
  },
};
