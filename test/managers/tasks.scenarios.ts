// Locks of a manager, and several tasks of one process.
import assert from 'node:assert/strict';
import { asyncProxy } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import { inGoodChild, misuse, withManager } from './support.js';

/** Something with a scope of its own: `with()`. */
interface Scoped {
  with<T>(fn: () => T): Promise<Awaited<T>>;
}

/** How many of three tasks of this process are inside at once. */
async function most(lock: Scoped): Promise<number> {
  let inside = 0;
  let max = 0;
  const task = async (): Promise<void> => {
    max = Math.max(max, ++inside);
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    inside--;
  };
  await Promise.all([1, 2, 3].map(() => lock.with(task)));
  return max;
}

/** Ends if two tasks of this process can be inside at once. */
async function meet(semaphore: Scoped): Promise<void> {
  let inside = 0;
  let letGo = (): void => {};
  const bothAreThere = new Promise<void>((resolve) => (letGo = resolve));
  const task = (): Promise<void> => {
    if (++inside === 2) letGo();
    return bothAreThere;
  };
  await Promise.all([semaphore.with(task), semaphore.with(task)]);
}

export const scenarios: Scenarios = {
  async 'tasks of one process exclude each other'() {
    await withManager(async (manager) => {
      const locks = [
        manager.Lock(),
        manager.RLock(),
        manager.Condition(),
        manager.Condition(manager.Lock()),
        manager.Condition(manager.RLock()),
        manager.Semaphore(1),
        manager.BoundedSemaphore(1),
      ];
      for (const lock of locks) {
        assert.equal(await most(lock), 1, String(lock));
        assert.equal(await most(asyncProxy(lock) as unknown as Scoped), 1, String(lock));
      }
      await meet(manager.Semaphore(2));
      const barrier = manager.Barrier(2);
      assert.deepEqual((await Promise.all([barrier.wait(), barrier.wait()])).toSorted(), [0, 1]);
    });
  },

  async 'a task, and those that it begins, have an rlock again and again'() {
    await withManager(async (manager) => {
      const lock = manager.RLock();
      await lock.with(async () => {
        assert.equal(await lock.acquire(0), true);
        lock.release();
        assert.equal(lock.acquireSync(0), true);
        await asyncProxy(lock).release();
        assert.equal(await lock.with(() => lock.withSync(() => 'inside')), 'inside');
        await Promise.all([lock.with(() => {}), lock.with(() => {})]);
        assert.equal(lock.locked(), true);
        await inGoodChild(() => assert.equal(lock.acquireSync(0), false));
      });
      assert.equal(lock.locked(), false);
      assert.throws(() => lock.release(), misuse('NOT_OWNED'));
      let leave: () => void = () => {};
      const held = lock.with(() => new Promise<void>((resolve) => (leave = resolve)));
      while (!lock.locked()) await new Promise((resolve) => setImmediate(resolve));
      // Neither the process nor another task of it.
      assert.equal(lock.acquireSync(0), false);
      assert.throws(() => lock.release(), misuse('NOT_OWNED'));
      await assert.rejects(
        lock.with(() => {}, 5),
        { name: 'TimeoutError' },
      );
      leave();
      await held;
      assert.equal(await lock.with(() => 1, 5), 1);
      await assert.rejects(
        lock.with(() => Promise.reject(new RangeError('mine'))),
        RangeError,
      );
      assert.equal(lock.locked(), false);
    });
  },

  async 'a task waits at a condition, and another notifies it'() {
    await withManager(async (manager) => {
      for (const lock of [undefined, manager.Lock(), manager.RLock()]) {
        const condition = manager.Condition(lock);
        let isReady = false;
        const waiting = condition.with(() => condition.waitFor(() => isReady));
        await condition.with(() => {
          isReady = true;
          condition.notifyAll();
        });
        assert.equal(await waiting, true);
        await assert.rejects(condition.wait(0), misuse('NOT_OWNED'));
        assert.throws(() => condition.notify(), misuse('NOT_OWNED'));
        const nested = condition.with(() => asyncProxy(condition).wait(1));
        assert.equal(await nested, false);
        assert.equal(condition.locked(), false);
      }
    });
  },
};
