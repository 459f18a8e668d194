// Pools of a manager's server, and managers' objects in the pools of a program.
import assert from 'node:assert/strict';
import { BaseManager, Manager, Pool, SyncManager, type Value } from 'truefork';
import { children, isRunning, sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { started, withManager } from './support.js';

function square(x: number): number {
  return x * x;
}

function add(x: number, y: number): number {
  return x + y;
}

async function fail(message: string): Promise<never> {
  throw new RangeError(message);
}

function whoAmI(): number {
  return process.pid;
}

let prepared = 0;

function prepare(value: number): void {
  prepared = value;
}

function whatIsPrepared(): number {
  return prepared;
}

function put(queue: { putSync(item: unknown): void }, item: number): void {
  queue.putSync(item * 2);
}

async function hang(): Promise<void> {
  await sleep(60_000);
}

for (const fn of [square, add, fail, whoAmI, prepare, whatIsPrepared, put, hang]) {
  SyncManager.registerFunction(fn);
}

function processesOf(pid: number): number[] {
  return [...children(pid).keys()];
}

export const scenarios: Scenarios = {
  async 'functions that are registered, in all forms'() {
    await withManager(async (manager) => {
      await using pool = manager.Pool(2);
      assert.equal(await pool.apply(square, [3]), 9);
      assert.equal(pool.applySync('square', [4]), 16);
      assert.deepEqual(await pool.map(square, [1, 2, 3]), [1, 4, 9]);
      assert.deepEqual(pool.mapSync(square, new Set([5, 6]), 1), [25, 36]);
      assert.deepEqual(
        await pool.starmap(add, [
          [1, 2],
          [3, 4],
        ]),
        [3, 7],
      );
      assert.deepEqual(pool.starmapSync(add, [[1, 2]], { chunksize: 'auto' }), [3]);
      const results = [];
      for await (const each of pool.imap(square, [1, 2, 3])) results.push(each);
      assert.deepEqual(results, [1, 4, 9]);
      const iterator = pool.imapUnordered(square, [7]);
      assert.deepEqual(iterator.nextSync(), { done: false, value: 49 });
      assert.deepEqual(await iterator.next(), { done: true, value: undefined });
      const result = pool.mapAsync(square, [1, 2, 3, 4]);
      assert.equal(await result.wait(20_000), true);
      assert.equal(result.ready(), true);
      assert.equal(result.successful(), true);
      assert.deepEqual(await result.get(), [1, 4, 9, 16]);
      assert.deepEqual(result.getSync(), [1, 4, 9, 16]);
      assert.notEqual(await pool.apply(whoAmI), manager.pid);
      assert.match(String(pool), /^<PoolProxy object, typeid 'Pool'/);
      pool.close();
      assert.equal(await pool.join(20_000), true);
      await assert.rejects(pool.apply(square, [1]), { code: 'ERR_TRUEFORK_POOL_CLOSED' });
    });
  },

  async 'functions that nobody has registered, and errors'() {
    await withManager(async (manager) => {
      const pool = manager.Pool(1);
      const refused = { code: 'ERR_TRUEFORK_NOT_CLONABLE', message: /registerFunction/ };
      assert.throws(() => pool.map((x) => x, [1]), refused);
      assert.throws(() => pool.applySync(() => {}), refused);
      const unknown = { code: 'ERR_TRUEFORK_NOT_EXPOSED', message: /no function 'eval'/ };
      await assert.rejects(pool.apply('eval', ['1']), unknown);
      const late = (): void => {};
      SyncManager.registerFunction(late);
      await assert.rejects(pool.apply(late), { code: 'ERR_TRUEFORK_NOT_EXPOSED' });
      await assert.rejects(pool.apply(fail, ['here']), { name: 'RangeError', message: 'here' });
      const failed = pool.applyAsync(fail, ['there']);
      assert.throws(() => failed.getSync(20_000), RangeError);
      assert.equal(failed.successful(), false);
      const settled = await pool.map(fail, ['x'], { settle: true });
      assert.equal((settled as PromiseSettledResult<void>[])[0]!.status, 'rejected');
      await assert.rejects(pool.apply(hang, [], { timeout: 20 }), { name: 'TimeoutError' });
      await assert.rejects(pool.apply(hang, [], { signal: AbortSignal.timeout(100) }), {
        name: 'AbortError',
      });
      assert.equal(await pool.apply(square, [2]), 4);
      // Another class of managers has no such functions.
      class Others extends BaseManager {}
      Others.register('Pool', () => new Pool(1), { createMethod: false });
      using others = new Others().start();
      const theirs = others.create('Pool') as typeof pool;
      await assert.rejects(theirs.apply(square, [1]), { code: 'ERR_TRUEFORK_NOT_EXPOSED' });
    });
  },

  async 'an initializer'() {
    await withManager(async (manager) => {
      const pool = manager.Pool(1, { initializer: prepare, initArgs: [7] });
      assert.equal(await pool.apply(whatIsPrepared), 7);
    });
  },

  async 'a pool ends with those who have it'() {
    await withManager(async (manager) => {
      const child = started(async () => {
        const pool = manager.Pool(2);
        await pool.map(square, [1, 2, 3]);
        pool.applyAsync(hang);
        await sleep(60_000);
      });
      const { pid } = manager;
      await until(() => processesOf(pid!).length > 0);
      child.kill();
      await child.join();
      await until(() => processesOf(pid!).length === 0);
      const pool = manager.Pool(1);
      const worker = await pool.apply(whoAmI);
      const lost = assert.rejects(pool.apply(hang), { code: 'ERR_TRUEFORK_MANAGER_LOST' });
      await until(() => isRunning(worker as number));
      await manager.shutdown();
      await lost;
      await until(() => !isRunning(worker as number));
    });
  },

  async 'proxies in a pool of the server'() {
    await withManager(async (manager) => {
      const queue = manager.Queue();
      const pool = manager.Pool(2);
      await pool.starmap(
        put,
        [1, 2, 3].map((item) => [queue, item]),
      );
      const items = [queue.getSync(), queue.getSync(), queue.getSync()];
      assert.deepEqual(
        items.toSorted((a, b) => Number(a) - Number(b)),
        [2, 4, 6],
      );
    });
  },

  async "a manager's queue in a pool"() {
    using manager = Manager();
    await using pool = new Pool(2);
    const queue = manager.Queue();
    const counts = manager.dict<Record<string, number>>();
    const lock = manager.Lock();
    await pool.map(
      (x) =>
        lock.with(() => {
          counts['sum'] = (counts['sum'] ?? 0) + x;
          queue.putSync(x * x);
        }),
      Array.from({ length: 20 }, (_, i) => i),
    );
    let sum = 0;
    while (!queue.empty()) sum += queue.getSync() as number;
    assert.equal(sum, 2470);
    assert.equal(counts['sum'], 190);
    // Also as an argument, of a function that the workers know.
    const putThere = (there: typeof queue, value: Value<'i'> | number): Promise<void> =>
      there.put(value);
    await pool.apply(putThere, [queue, 1]);
    const later = manager.Queue();
    await pool.apply(putThere, [later, 2]);
    assert.deepEqual([queue.getSync(), later.getSync()], [1, 2]);
  },
};
