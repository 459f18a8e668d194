// Servers that compute, or are stopped: who waits for them, and who does not. Whatever is not to
// wait is done while the server cannot answer, so that it would never end.
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  asyncProxy,
  BaseManager,
  inChild,
  Manager,
  Pipe,
  Pool,
  RawValue,
  SyncManager,
} from 'truefork';
import { fork, waitpid, _exit } from 'truefork/posix';
import { until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { inGoodChild, started, withManager } from './support.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

type AnyDict = Record<string, unknown>;

const isComputing = new RawValue('i', 0);
const mayEnd = new RawValue('i', 0);

class Computer {
  compute(): string {
    isComputing.value = 1;
    while (mayEnd.value === 0);
    return 'done';
  }
}

class Computers extends SyncManager {
  declare Computer: () => Computer;
}
Computers.register('Computer', Computer);

async function whileComputing(use: (manager: Computers) => unknown): Promise<void> {
  const manager = new Computers().start();
  const computer = manager.Computer();
  const d = manager.dict({ x: 1 });
  const result = asyncProxy(computer).compute();
  await until(() => isComputing.value === 1);
  await use(manager);
  mayEnd.value = 1;
  assert.equal(await result, 'done');
  assert.equal(d.x, 1);
  await manager.shutdown();
}

async function whileStopped(manager: BaseManager, use: () => unknown): Promise<void> {
  process.kill(manager.pid!, 'SIGSTOP');
  try {
    await use();
  } finally {
    process.kill(manager.pid!, 'SIGCONT');
  }
}

/** Tells the server so much that no more finds room on the way. */
async function fillTheWay(proxy: object): Promise<void> {
  const [reader, writer] = Pipe();
  for (let i = 0; i < 5000; i++) {
    await writer.send(proxy);
    assert.equal(await reader.recv(), proxy);
  }
  reader.close();
  writer.close();
}

async function untilObjects(manager: BaseManager, count: number): Promise<void> {
  for (let i = 0; manager.numberOfObjects() !== count; i++) {
    assert.ok(i < 2000, manager.debugInfo());
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const scenarios: Scenarios = {
  async 'forks, while a method computes'() {
    await whileComputing(async () => {
      const child = started(() => {});
      assert.equal(await child.join(), 0);
      const pid = fork();
      if (pid === 0) _exit(3);
      assert.equal(waitpid(pid)?.exitcode, 3);
      assert.equal(await inChild(() => 1), 1);
      await inGoodChild(() => inGoodChild(() => {}));
      await using pool = new Pool(2);
      assert.deepEqual(await pool.map((x) => x + 1, [1, 2]), [2, 3]);
      using other = Manager();
      assert.equal(other.list([1]).length, 1);
    });
  },

  async 'forks, while the server is stopped and the way to it is full'() {
    await withManager(async (manager) => {
      let list: number[] | undefined = manager.list([1, 2]);
      const [ours, theirs] = Pipe();
      let child: ReturnType<typeof started> | undefined;
      await whileStopped(manager, async () => {
        await fillTheWay(list!);
        child = started(async () => {
          await theirs.recv();
          assert.deepEqual([...list!], [1, 2]);
        });
        for (let i = 0; i < 20; i++) await inGoodChild(() => {});
        list = undefined;
        collect();
      });
      // The news of the fork was before that of the proxy that is not needed any more.
      await until(() => manager.numberOfObjects() === 1);
      await ours.send('go');
      assert.equal(await child!.join(), 0);
      await untilObjects(manager, 0);
    });
  },

  async 'a child that is there before the news of it'() {
    await withManager(async (manager) => {
      let list: number[] | undefined = manager.list([1, 2]);
      const [ours, theirs] = Pipe();
      let child: ReturnType<typeof started> | undefined;
      await whileStopped(manager, async () => {
        await fillTheWay(list!);
        child = started(async () => {
          theirs.sendSync('asking');
          assert.deepEqual([...list!], [1, 2]);
          await theirs.recv();
          assert.deepEqual([...list!], [1, 2]);
        });
        list = undefined;
        assert.equal(await ours.recv(), 'asking');
      });
      for (let i = 0; i < 10; i++) {
        collect();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.equal(manager.numberOfObjects(), 1);
      await ours.send('go');
      assert.equal(await child!.join(), 0);
      await untilObjects(manager, 0);
    });
  },

  async 'clients that only use promises have what they have, and give it up'() {
    await withManager(async (manager) => {
      const [ours, theirs] = Pipe();
      const child = started(async () => {
        let list: unknown = await manager.createAsync('list', [1]);
        const lengthOf = async (): Promise<void> =>
          assert.equal(await asyncProxy(list as number[]).length(), 1);
        assert.equal(await started(lengthOf).join(), 0);
        list = undefined;
        await theirs.send('dropped');
        const collecting = setInterval(collect, 5);
        await theirs.recv();
        clearInterval(collecting);
      });
      assert.equal(await ours.recv(), 'dropped');
      await untilObjects(manager, 0);
      await ours.send('end');
      assert.equal(await child.join(), 0);
    });
  },

  async 'proxies are received and sent, while their server is stopped'() {
    await withManager(async (manager) => {
      const d = manager.dict<AnyDict>({ x: 1, list: manager.list([1]) });
      const [ours, theirs] = Pipe();
      await whileStopped(manager, async () => {
        await ours.send({ d, list: [d] });
        const received = (await theirs.recv({ timeout: 10_000 })) as { d: AnyDict };
        assert.equal(received.d, d);
        await ours.send(d);
        assert.equal(await theirs.recv({ timeout: 10_000 }), d);
        // In processes that have not been at the server before.
        const relay = started(async () => {
          const both = (await theirs.recv()) as { d: AnyDict };
          await theirs.send(both);
          await theirs.send(both.d);
          await theirs.recv();
          assert.equal(both.d['x'], 1);
        });
        await ours.send({ d });
        assert.equal(((await ours.recv()) as { d: AnyDict }).d, d);
        assert.equal(await ours.recv(), d);
        await ours.send('go');
        process.kill(manager.pid!, 'SIGCONT');
        assert.equal(await relay.join(), 0);
      });
    });
  },

  async 'a proxy of a server that nobody knows and that does not answer'() {
    const [ours, theirs] = Pipe();
    const owner = started(async () => {
      const manager = Manager();
      const d = manager.dict<AnyDict>({ x: 1 });
      theirs.sendSync(manager.pid);
      theirs.sendSync(d);
      await theirs.recv();
      await manager.shutdown();
    });
    const pid = (await ours.recv()) as number;
    process.kill(pid, 'SIGSTOP');
    const d = (await ours.recv({ timeout: 10_000 })) as AnyDict;
    const value = asyncProxy(d).get('x');
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.kill(pid, 'SIGCONT');
    assert.equal(await value, 1);
    await ours.send('end');
    assert.equal(await owner.join(), 0);
  },

  async 'a proxy that a child uses before the process that has received it'() {
    const [ours, theirs] = Pipe();
    const owner = started(async () => {
      const manager = Manager();
      theirs.sendSync(manager.dict<AnyDict>({ x: 1 }));
      const collecting = setInterval(collect, 5);
      await theirs.recv();
      clearInterval(collecting);
      await manager.shutdown();
    });
    const d = (await ours.recv()) as AnyDict;
    await inGoodChild(() => assert.equal(d['x'], 1));
    await inGoodChild(async () => assert.equal(await asyncProxy(d).get('x'), 1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(d['x'], 1);
    await ours.send('end');
    assert.equal(await owner.join(), 0);
  },

  async 'promises, while the server is stopped'() {
    await withManager(async (manager) => {
      const lock = manager.Lock();
      const queue = manager.Queue();
      const condition = manager.Condition();
      let all: Promise<unknown>[] = [];
      await whileStopped(manager, () => {
        const d = manager.createAsync('dict', { x: 1 });
        const signal = AbortSignal.abort();
        all = [
          d,
          lock.with(() => 1),
          condition.with(() => condition.waitFor(() => true)),
          queue.put(1),
          queue.get(),
          new SyncManager({ address: manager.address }).connect(),
          queue.get({ signal }).catch((error: Error) => assert.equal(error.name, 'AbortError')),
        ];
      });
      await Promise.all(all);
      assert.equal(lock.locked(), false);
    });
  },

  async 'an abort of what has not been sent yet'() {
    await withManager(async (manager) => {
      const queue = manager.Queue();
      await inGoodChild(async () => {
        await whileStopped(manager, async () => {
          const controller = new AbortController();
          const taken = queue.get({ signal: controller.signal });
          setImmediate(() => controller.abort());
          await assert.rejects(taken, { name: 'AbortError' });
        });
        await queue.put(1);
        assert.equal(await queue.get(), 1);
      });
    });
  },

  async 'shutdowns: each waits until the server has ended'() {
    const pairs: ((manager: SyncManager) => unknown)[] = [
      (manager) => manager.shutdown(),
      (manager) => manager.shutdownSync(),
      (manager) => manager[Symbol.asyncDispose](),
      (manager) => manager[Symbol.dispose](),
    ];
    for (const second of pairs) {
      const manager = new SyncManager({ shutdownTimeout: 50 }).start();
      process.kill(manager.pid!, 'SIGSTOP');
      const first = manager.shutdown();
      await second(manager);
      assert.throws(() => process.kill(manager.pid!, 0), { code: 'ESRCH' });
      assert.equal(await manager.join(0), -9);
      await first;
      await second(manager);
    }
  },

  async 'a server that is served twice, and stopped before it is'() {
    await inGoodChild(async () => {
      const server = new SyncManager().getServer();
      const serving = [server.serveForever(), server.serveForever()];
      server.stop();
      await Promise.all(serving);
      await server.serveForever();
      const early = new SyncManager().getServer();
      early.stop();
      await early.serveForever();
    });
  },
};
