// How long objects of a manager live, and how proxies travel.
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { asyncProxy, Event, inChild, Lock, Manager, Pipe, type SyncManager } from 'truefork';
import { until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { inGoodChild, LOST, misuse, started, withManager } from './support.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Waits until the manager has so many objects, collecting garbage here. */
async function untilObjects(manager: SyncManager, count: number): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (manager.numberOfObjects() === count) return;
    assert.ok(Date.now() < deadline, `there are ${manager.debugInfo()} and not ${count}`);
  }
}

type AnyDict = Record<string, unknown>;

export const scenarios: Scenarios = {
  async 'an object goes with the last proxy'() {
    await withManager(async (manager) => {
      const kept = manager.dict();
      for (let i = 0; i < 100; i++) manager.list([i]);
      await untilObjects(manager, 1);
      assert.equal(manager.debugInfo(), '1: dict, held by 1');
      kept['x'] = 1;
    });
  },

  async 'an object inside of another lives as long as that'() {
    await withManager(async (manager) => {
      const outer = manager.dict<AnyDict>();
      outer['inner'] = manager.list<unknown>([1]);
      (outer['inner'] as unknown[]).push(outer['inner']);
      await untilObjects(manager, 1);
      assert.deepEqual((outer['inner'] as unknown[])[0], 1);
      await untilObjects(manager, 1);
    });
  },

  async 'children count, and give up what they have when they end'() {
    await withManager(async (manager) => {
      const ready = manager.Semaphore(0);
      let list: unknown[] | undefined = manager.list([1]);
      const childrens = manager.dict<AnyDict>();
      const children = ['exit', 'kill'].map((how) =>
        started(async () => {
          const own = manager.list<unknown>([list]);
          own.push(how);
          ready.release();
          const inherited = list;
          await asyncProxy(manager.Event()).wait();
          inherited!.push(1);
        }),
      );
      ready.acquireSync();
      ready.acquireSync();
      list = undefined;
      for (const child of children) child.kill();
      for (const child of children) await child.join();
      await untilObjects(manager, 2);
      childrens['x'] = 1;
    });
  },

  async 'a child has what its parent had, also when that has dropped it'() {
    await withManager(async (manager) => {
      const [ours, theirs] = Pipe();
      let list: number[] | undefined = manager.list([1, 2]);
      const child = started(async () => {
        await theirs.recv();
        assert.deepEqual([...list!], [1, 2]);
      });
      list = undefined;
      for (let i = 0; i < 10; i++) {
        collect();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.equal(manager.numberOfObjects(), 1);
      await ours.send('go');
      assert.equal(await child.join(), 0);
      await untilObjects(manager, 0);
    });
  },

  async 'a child that never uses what it has inherited'() {
    await withManager(async (manager) => {
      let list: number[] | undefined = manager.list([1]);
      await inGoodChild(() => list);
      await inChild(() => process.kill(process.pid, 'SIGKILL')).catch(() => {});
      list = undefined;
      await untilObjects(manager, 0);
    });
  },

  async 'proxies go through pipes, and live on the way'() {
    await withManager(async (manager) => {
      const [ours, theirs] = Pipe();
      const child = started(async () => {
        const received = (await theirs.recv()) as {
          list: number[];
          lock: { acquireSync(): boolean };
        };
        received.list.push(process.pid);
        assert.equal(received.lock.acquireSync(), true);
        await theirs.send([received.list, manager.dict({ made: 'by the child' })]);
        await theirs.recv();
      });
      const lock = manager.Lock();
      await ours.send({ list: manager.list([1]), lock, d: manager.dict() });
      const [list, d] = (await ours.recv()) as [number[], AnyDict];
      assert.deepEqual([...list], [1, child.pid]);
      assert.equal(d['made'], 'by the child');
      assert.equal(lock.locked(), true);
      await ours.send('end');
      assert.equal(await child.join(), 0);
      assert.equal(lock.acquireSync(), true);
      assert.equal(lock.recovered, true);
      assert.equal(await inChild(() => d), d);
    });
  },

  async 'a proxy whose sender is gone before it is received'() {
    await withManager(async (manager) => {
      const [reader, writer] = Pipe(false);
      await inGoodChild(() => writer.sendSync(manager.list(['left behind'])));
      collect();
      const list = reader.recvSync() as string[];
      assert.deepEqual([...list], ['left behind']);
    });
  },

  async 'proxies of one manager in another'() {
    await withManager(async (a) => {
      await withManager(async (b) => {
        const inA = a.dict<AnyDict>({ x: 1 });
        const inB = b.list<unknown>([inA]);
        assert.equal(inB[0], inA);
        inA['list'] = inB;
        await inGoodChild(() => {
          const d = inB[0] as AnyDict;
          d['x'] = 2;
          (d['list'] as unknown[]).push(3);
        });
        assert.equal(inA['x'], 2);
        assert.equal(inB[1], 3);
        delete inA['list'];
      });
    });
  },

  async 'a server waits for no other'() {
    await withManager(async (a) => {
      await withManager(async (b) => {
        const inB = b.dict<AnyDict>({ x: 1 });
        const inA = a.list<unknown>([inB]);
        const queue = a.Queue();
        await queue.put(inB);
        const go = new Event();
        // They wait for the other server themselves.
        const children = [() => inA[0], () => queue.getSync()].map((take) =>
          started(() => {
            go.waitSync();
            assert.equal((take() as AnyDict)['x'], 1);
          }),
        );
        process.kill(b.pid!, 'SIGSTOP');
        go.set();
        await until(() => queue.qsize() === 0);
        inA.push(2);
        assert.equal(inA.length, 2);
        process.kill(b.pid!, 'SIGCONT');
        for (const child of children) assert.equal(await child.join(), 0);
      });
    });
  },

  async 'what is shared otherwise can be stored, too'() {
    await withManager(async (manager) => {
      const lock = new Lock();
      const list = manager.list<unknown>([lock]);
      lock.acquireSync();
      await inGoodChild(() => assert.equal((list[0] as Lock).locked(), true));
      lock.release();
    });
  },

  async 'a manager that is gone'() {
    const manager = Manager();
    const d = manager.dict<AnyDict>({ x: 1 });
    const lock = manager.Lock();
    lock.acquireSync();
    const waiting = lock.acquire();
    const child = started(() => {
      assert.throws(() => lock.acquireSync(), LOST);
    });
    await until(() => manager.debugInfo().includes('Lock'));
    process.kill(manager.pid!, 'SIGKILL');
    await assert.rejects(waiting, LOST);
    assert.throws(() => d['x'], LOST);
    await assert.rejects(asyncProxy(d).get('x'), LOST);
    assert.equal(await child.join(), 0);
    const [reader, writer] = Pipe(false);
    assert.throws(() => writer.sendSync(d), LOST);
    reader.close();
    await manager.shutdown();
    assert.equal(await manager.join(), -9);
    assert.throws(() => manager.dict(), misuse('CLOSED'));
  },
};
