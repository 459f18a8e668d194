// Locks, semaphores, conditions, events, barriers and queues of a manager.
import assert from 'node:assert/strict';
import { asyncProxy, BrokenBarrierError, Empty, Full } from 'truefork';
import { until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { inGoodChild, isSettled, misuse, started, withManager } from './support.js';

export const scenarios: Scenarios = {
  async 'a lock: one process at a time'() {
    await withManager(async (manager) => {
      const lock = manager.Lock();
      const d = manager.dict({ count: 0 });
      const children = Array.from({ length: 4 }, (_, i) =>
        started(async () => {
          for (let n = 0; n < 25; n++) {
            if (i % 2 === 0) lock.withSync(() => d.count++);
            else await lock.with(() => d.count++);
          }
        }),
      );
      for (const child of children) assert.equal(await child.join(), 0);
      assert.equal(d.count, 100);
    });
  },

  async 'a lock is not recursive, and anybody may release it'() {
    await withManager(async (manager) => {
      const lock = manager.Lock();
      assert.equal(lock.acquireSync(), true);
      assert.equal(lock.locked(), true);
      assert.equal(lock.acquireSync(0), false);
      assert.equal(lock.acquireSync({ timeout: 10 }), false);
      assert.equal(await lock.acquire(10), false);
      await inGoodChild(() => lock.release());
      assert.equal(lock.locked(), false);
      assert.throws(() => lock.release(), misuse('NOT_LOCKED'));
      assert.throws(() => lock.acquireSync('1' as never), { code: 'ERR_INVALID_ARG_TYPE' });
      await assert.rejects(asyncProxy(lock).release(), misuse('NOT_LOCKED'));
      assert.equal(await asyncProxy(lock).acquire(), true);
    });
  },

  async 'a wait that is aborted takes nothing'() {
    await withManager(async (manager) => {
      const lock = manager.Lock();
      lock.acquireSync();
      const controller = new AbortController();
      const reason = new Error('enough');
      const waiting = lock.acquire({ signal: controller.signal });
      const next = lock.acquire();
      assert.equal(await isSettled(waiting), false);
      controller.abort(reason);
      await assert.rejects(waiting, { name: 'AbortError', cause: reason });
      await assert.rejects(lock.acquire({ signal: controller.signal }), { name: 'AbortError' });
      lock.release();
      assert.equal(await next, true);
      assert.equal(lock.recovered, false);
    });
  },

  async 'who dies with a lock leaves it to the next'() {
    await withManager(async (manager) => {
      for (const lock of [manager.Lock(), manager.RLock()]) {
        for (const how of ['kill', 'exit']) {
          const child = started(async () => {
            lock.acquireSync();
            if (how === 'exit') process.exit(0);
            await new Promise((resolve) => setTimeout(resolve, 60_000));
          });
          if (how === 'kill') await until(() => lock.locked());
          const waiting = how === 'kill' ? lock.acquire() : undefined;
          if (how === 'kill') child.kill();
          await child.join();
          assert.equal(await (waiting ?? lock.acquire()), true);
          assert.equal(lock.recovered, true);
          lock.release();
          assert.equal(lock.acquireSync(), true);
          assert.equal(lock.recovered, false);
          lock.release();
        }
      }
    });
  },

  async 'who is killed while it waits is not waited for'() {
    await withManager(async (manager) => {
      const lock = manager.Lock();
      const queue = manager.Queue();
      lock.acquireSync();
      const ready = manager.Semaphore(0);
      const children = [
        started(async () => {
          ready.release();
          await lock.acquire();
        }),
        started(() => {
          ready.release();
          lock.acquireSync();
        }),
        started(() => {
          ready.release();
          queue.getSync();
        }),
      ];
      for (const _ of children) ready.acquireSync();
      for (const child of children) {
        child.kill();
        await child.join();
      }
      const waiting = lock.acquire();
      lock.release();
      assert.equal(await waiting, true);
      queue.putSync(1);
      assert.equal(await queue.get({ timeout: 10_000 }), 1);
    });
  },

  async 'an rlock belongs to a process'() {
    await withManager(async (manager) => {
      const lock = manager.RLock();
      assert.equal(lock.acquireSync(), true);
      assert.equal(await lock.acquire(), true);
      await inGoodChild(() => {
        assert.equal(lock.acquireSync(0), false);
        assert.throws(() => lock.release(), misuse('NOT_OWNED'));
      });
      lock.release();
      assert.equal(lock.locked(), true);
      lock.release();
      assert.equal(lock.locked(), false);
      assert.throws(() => lock.release(), misuse('NOT_OWNED'));
    });
  },

  async semaphores() {
    await withManager(async (manager) => {
      const semaphore = manager.Semaphore(2);
      assert.equal(semaphore.acquireSync() && (await semaphore.acquire()), true);
      assert.equal(semaphore.acquireSync(0), false);
      assert.equal(semaphore.getValue(), 0);
      const waiting = semaphore.acquire();
      await inGoodChild(() => semaphore.release());
      assert.equal(await waiting, true);
      const bounded = manager.BoundedSemaphore();
      bounded.acquireSync();
      bounded.release();
      assert.throws(() => bounded.release(), misuse('TOO_MANY_RELEASES'));
      assert.throws(() => manager.Semaphore(-1), RangeError);
    });
  },

  async conditions() {
    await withManager(async (manager) => {
      const lock = manager.Lock();
      const condition = manager.Condition(lock);
      assert.throws(() => condition.notify(), misuse('NOT_OWNED'));
      assert.throws(() => condition.waitSync(), misuse('NOT_OWNED'));
      const d = manager.dict({ awake: 0, waiting: 0, go: false });
      const children = [true, false, true].map((useSync) =>
        started(async () => {
          await condition.acquire();
          d.waiting++;
          if (useSync) condition.waitForSync(() => d.go);
          else await condition.waitFor(() => d.go);
          d.awake++;
          condition.release();
        }),
      );
      await until(() => d.waiting === 3);
      await condition.acquire();
      condition.notifyAll();
      condition.release();
      await condition.acquire();
      d.go = true;
      condition.notify(3);
      condition.release();
      for (const child of children) assert.equal(await child.join(), 0);
      assert.equal(d.awake, 3);
      await condition.acquire();
      assert.equal(await condition.wait(10), false);
      assert.equal(lock.locked(), true);
      const controller = new AbortController();
      const waiting = condition.wait({ signal: controller.signal });
      assert.equal(await isSettled(waiting), false);
      controller.abort();
      await assert.rejects(waiting, { name: 'AbortError' });
      assert.equal(lock.locked(), true);
      assert.throws(() => manager.Condition(manager.dict<never>()), {
        code: 'ERR_INVALID_ARG_TYPE',
      });
    });
  },

  async 'who dies in a condition gives the lock up'() {
    await withManager(async (manager) => {
      const condition = manager.Condition();
      const ready = manager.Event();
      const child = started(async () => {
        await condition.acquire();
        ready.set();
        await condition.wait();
      });
      await ready.wait();
      await condition.acquire();
      child.kill();
      await child.join();
      condition.notifyAll();
      condition.release();
      assert.equal(await condition.acquire(10_000), true);
      condition.release();
    });
  },

  async events() {
    await withManager(async (manager) => {
      const event = manager.Event();
      assert.equal(event.isSet(), false);
      assert.equal(event.waitSync(0), false);
      assert.equal(await event.wait(10), false);
      const child = started(() => assert.equal(event.waitSync(), true));
      const waiting = [event.wait(), event.wait()];
      await inGoodChild(() => event.set());
      assert.deepEqual(await Promise.all(waiting), [true, true]);
      assert.equal(await child.join(), 0);
      event.clear();
      assert.equal(event.isSet(), false);
    });
  },

  async barriers() {
    await withManager(async (manager) => {
      const barrier = manager.Barrier(3);
      assert.equal(barrier.parties, 3);
      const children = [true, false].map((useSync) =>
        started(async () => {
          for (let i = 0; i < 3; i++) {
            const index = useSync ? barrier.waitSync() : await barrier.wait();
            assert.ok(index >= 0 && index < 3);
          }
        }),
      );
      for (let i = 0; i < 3; i++) await barrier.wait();
      for (const child of children) assert.equal(await child.join(), 0);
      await assert.rejects(barrier.wait(10), BrokenBarrierError);
      assert.equal(barrier.broken, true);
      assert.throws(() => barrier.waitSync(), BrokenBarrierError);
      barrier.reset();
      assert.equal(barrier.broken, false);
      const waiting = barrier.wait();
      await until(() => barrier.nWaiting === 1);
      const child = started(() => barrier.waitSync());
      await until(() => barrier.nWaiting === 2);
      child.kill();
      await assert.rejects(waiting, { name: 'BrokenBarrierError' });
      await child.join();
      barrier.reset();
      const again = barrier.wait();
      await until(() => barrier.nWaiting === 1);
      barrier.abort();
      await assert.rejects(again, BrokenBarrierError);
    });
  },

  async queues() {
    await withManager(async (manager) => {
      const queue = manager.Queue(4);
      for (let i = 0; i < 4; i++) queue.putSync(i);
      assert.equal(queue.full() && !queue.empty() && queue.qsize() === 4, true);
      assert.throws(() => queue.putNowait(4), Full);
      await assert.rejects(queue.put(4, 10), Full);
      const putting = queue.put(4);
      await inGoodChild(async () => {
        for (let i = 0; i < 5; i++) assert.equal(await queue.get(), i);
      });
      await putting;
      assert.equal(queue.empty(), true);
      assert.throws(() => queue.getNowait(), Empty);
      await assert.rejects(queue.get(10), Empty);
      const getting = [queue.get(), queue.get()];
      queue.putSync('a');
      queue.putSync('b');
      assert.deepEqual(await Promise.all(getting), ['a', 'b']);
      const proxy = manager.list([1]);
      queue.putSync({ proxy });
      assert.equal(((await queue.get()) as { proxy: unknown }).proxy, proxy);
      assert.equal(await asyncProxy(queue).qsize(), 0);
      assert.throws(() => queue.putSync(() => {}), misuse('NOT_CLONABLE'));
    });
  },

  async 'joinable queues'() {
    await withManager(async (manager) => {
      const queue = manager.JoinableQueue();
      const child = started(async () => {
        for (let i = 0; i < 5; i++) {
          await queue.get();
          queue.taskDone();
        }
      });
      for (let i = 0; i < 5; i++) queue.putSync(i);
      assert.equal(await queue.join(), true);
      assert.equal(await child.join(), 0);
      assert.throws(() => queue.taskDone(), misuse('TOO_MANY_DONE'));
      queue.putSync('lost');
      assert.equal(queue.joinSync(10), false);
      await inGoodChild(() => void queue.getSync());
      await assert.rejects(queue.join(), misuse('TASKS_LOST'));
      assert.equal(await queue.join(), true);
    });
  },
};
