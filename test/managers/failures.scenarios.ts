// Servers and clients that die, and clients that mean no good.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { serialize } from 'node:v8';
import {
  asyncProxy,
  BaseManager,
  Client,
  type Connection,
  inChild,
  Manager,
  Pipe,
  Process,
  SyncManager,
} from 'truefork';
import { countDescriptors, isRunning, until } from '../support/observe.js';
import { startProgram } from '../support/programs.js';
import type { Scenarios } from '../support/scenarios.js';
import { inGoodChild, LOST, misuse, started } from './support.js';

const STARTED = 'started';
const KEY = Buffer.from('the key');

async function withServer(use: (manager: SyncManager) => unknown): Promise<void> {
  const manager = new SyncManager({ address: ['127.0.0.1', 0], authkey: KEY }).start();
  const d = manager.dict({ x: 1 });
  try {
    await use(manager);
    // The others go on.
    assert.equal(d.x, 1);
    assert.equal(await asyncProxy(d).get('x'), 1);
  } finally {
    await manager.shutdown();
  }
  assert.equal(await manager.join(), 0);
}

async function socketTo(manager: SyncManager): Promise<Socket> {
  const [host, port] = manager.address as [string, number];
  const socket = connect(port, host);
  await once(socket, 'connect');
  return socket;
}

/** A client that has shown that it has the key, and says what it likes. */
function authenticated(manager: SyncManager): Promise<Connection> {
  return Client(manager.address!, { authkey: KEY });
}

/** A message as the server expects it. */
function request(number: number, id: number, method: string, ...args: Buffer[]): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(number);
  head.writeDoubleLE(id, 4);
  head.writeUInt32LE(method.length, 12);
  const count = Buffer.alloc(4);
  count.writeUInt32LE(args.length);
  return Buffer.concat([head, Buffer.from(method), count, ...args]);
}

function text(value: string): Buffer {
  const head = Buffer.alloc(5);
  head[0] = 6;
  head.writeUInt32LE(value.length, 1);
  return Buffer.concat([head, Buffer.from(value)]);
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = 4;
  bytes.writeInt32LE(value, 1);
  return bytes;
}

const HELLO = request(0, 0, 'hello', int(2), text('me'), int(1));

/** A value as a clone, which no client of ours would send. */
function cloned(bytes: Buffer): Buffer {
  const head = Buffer.alloc(6);
  head[0] = 7;
  head.writeUInt32LE(1 + bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** Whether the server hangs up on whoever sends that. */
async function hangsUp(manager: SyncManager, ...messages: Buffer[]): Promise<boolean> {
  const client = await authenticated(manager);
  for (const message of messages) await client.sendBytes(message).catch(() => {});
  try {
    for (;;) await client.recvBytes(Infinity, 5000);
  } catch (error) {
    return (error as { code: string }).code !== 'ERR_TRUEFORK_TIMEOUT';
  } finally {
    client.close();
  }
}

export const scenarios: Scenarios = {
  async 'peers that do not have the key'() {
    await withServer(async (manager) => {
      const wrong = new SyncManager({ address: manager.address, authkey: Buffer.from('no') });
      assert.throws(() => wrong.connectSync(), { name: 'AuthenticationError' });
      const silent = await socketTo(manager);
      for (const bytes of [
        randomBytes(100_000),
        Buffer.alloc(4, 0xff),
        Buffer.from([0x7f, 0xff]),
      ]) {
        const socket = await socketTo(manager);
        socket.on('error', () => {}).resume();
        socket.end(bytes);
        await new Promise((resolve) => socket.on('close', resolve));
      }
      silent.destroy();
    });
  },

  async 'peers that have the key and talk nonsense'() {
    await withServer(async (manager) => {
      const nonsense: Buffer[][] = [
        [Buffer.alloc(0)],
        [randomBytes(1000)],
        [request(0, 0, 'numberOfObjects')],
        [request(0, 0, 'hello', int(99), text('me'), int(1))],
        [request(0, 0, 'hello', int(2), int(1))],
        [HELLO, randomBytes(40)],
        [HELLO, request(1, 0, 'create', text('dict').subarray(0, 4))],
        [HELLO, request(1, 0, 'create', Buffer.from([200]))],
        [HELLO, request(1, 0, 'create', cloned(Buffer.from('nothing that V8 has written')))],
        [HELLO, Buffer.concat([request(1, 0, 'create').subarray(0, -4), Buffer.alloc(4, 0xff)])],
      ];
      for (const messages of nonsense) {
        assert.equal(await hangsUp(manager, ...messages), true);
      }
    });
  },

  async 'requests that are well formed and make no sense'() {
    await withServer(async (manager) => {
      const client = await authenticated(manager);
      await client.sendBytes(HELLO);
      await client.recvBytes();
      const requests = [
        request(1, 0, 'constructor'),
        request(1, 0, '__proto__'),
        request(1, 0, 'create'),
        request(1, 0, 'create', text('constructor')),
        request(1, 0, 'create', text('__proto__')),
        request(1, 0, 'create', text('list'), int(5)),
        request(1, 0, 'hold', int(77)),
        request(1, 0, 'redeem', int(77), text('x')),
        request(1, 77, 'get'),
        request(1, NaN, 'get'),
        request(1, 1, 'constructor'),
        request(1, 1, 'map'),
        request(1, 1, 'update', int(1)),
        request(1, 1, 'update', cloned(serialize([]))),
      ];
      for (const message of requests) {
        await client.sendBytes(message);
        const answer = await client.recvBytes();
        assert.equal(answer.readUInt32LE(), 1);
      }
      // The messages without an answer.
      for (const message of [
        request(0xffff_ffff, 0, 'cancel', int(1)),
        request(0xffff_ffff, 0, 'drop', int(1), int(1_000_000), int(8)),
        request(0xffff_ffff, 0, 'noteFork', text('x'), int(1)),
      ]) {
        await client.sendBytes(message);
      }
      client.close();
    });
  },

  async 'messages that never end, or come byte by byte'() {
    await withServer(async (manager) => {
      const slow = await authenticated(manager);
      const { write } = await import('truefork/posix');
      const huge = await authenticated(manager);
      // Two gigabytes are announced; the server does not have them before they are there.
      write(huge.fileno(), Buffer.from([0x7f, 0xff, 0xff, 0xff, 1, 2, 3]));
      const tooHuge = await authenticated(manager);
      write(tooHuge.fileno(), Buffer.from([0xff, 0xff, 0xff, 0xff, 1]));
      await assert.rejects(tooHuge.recvBytes());
      const frame = Buffer.alloc(4 + HELLO.length);
      frame.writeUInt32BE(HELLO.length);
      HELLO.copy(frame, 4);
      for (const byte of frame) {
        write(slow.fileno(), Buffer.of(byte));
        assert.equal(manager.numberOfObjects(), 1);
      }
      assert.ok((await slow.recvBytes()).length > 0);
      slow.close();
      huge.close();
      tooHuge.close();
    });
  },

  async 'a client that does not read its answers'() {
    await withServer(async (manager) => {
      const list = manager.list([Buffer.alloc(100_000)]);
      const id = Number(/(\d+): list/.exec(manager.debugInfo())![1]);
      const client = await authenticated(manager);
      await client.sendBytes(HELLO);
      for (let i = 0; i < 200; i++) {
        await client.sendBytes(request(1, id, 'getValue'), { timeout: 200 }).catch(() => {});
      }
      assert.equal(list.length, 1);
      client.close();
    });
  },

  async 'clients that are killed in the middle of everything'() {
    await withServer(async (manager) => {
      const lock = manager.Lock();
      const queue = manager.Queue(5);
      const list = manager.list<unknown>();
      for (let round = 0; round < 25; round++) {
        const ready = manager.Semaphore(0);
        const child = started(async () => {
          ready.release();
          for (;;) {
            lock.acquireSync();
            list.push(manager.dict({ round }), Buffer.alloc(50_000));
            list.length = 0;
            lock.release();
            await Promise.all([
              queue.put({ list }),
              queue.get(),
              asyncProxy(list).push(manager.list()),
            ]);
          }
        });
        ready.acquireSync();
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
        child.kill();
        await child.join();
        assert.equal(await lock.acquire(10_000), true);
        lock.release();
        while (!queue.empty()) await queue.get(1000).catch(() => {});
      }
      list.length = 0;
      assert.deepEqual([...list], []);
    });
  },

  async 'two hundred clients at once'() {
    const manager = Manager();
    const lock = manager.Lock();
    const d = manager.dict({ count: 0, waiting: 0 });
    const go = manager.Event();
    const children = Array.from({ length: 200 }, () =>
      started(async () => {
        lock.withSync(() => (d.waiting += 1));
        await go.wait();
        const list = (await manager.createAsync('list', [1, 2, 3])) as number[];
        for (let i = 0; i < 20; i++) await asyncProxy(list).push(i);
        assert.equal(await asyncProxy(list).length(), 23);
        lock.withSync(() => (d.count += 1));
      }),
    );
    await until(() => d.waiting === 200);
    go.set();
    for (const child of children) assert.equal(await child.join(), 0);
    assert.equal(d.count, 200);
    await manager.shutdown();
  },

  async 'a server without descriptors for those who come'() {
    await withServer(async (manager) => {
      const list = manager.list<unknown>();
      await manager.createAsync('list');
      const before = countDescriptors(manager.pid!);
      const limit = [`--pid=${manager.pid}`, `--nofile=${before + 20}:`];
      if (spawnSync('prlimit', limit).status !== 0) return;
      const clients: Connection[] = [];
      const timeout = 500;
      const options = { authkey: KEY, timeout };
      await assert.rejects(
        async () => {
          for (;;) clients.push(await Client(manager.address!, options));
        },
        (error) => /TIMEOUT|EOF|ECONNRESET|EPIPE/.test((error as { code: string }).code),
      );
      assert.ok(clients.length > 5);
      // Its clients are served, and hear what it cannot do.
      list.push(1);
      const [reader, writer] = Pipe();
      assert.throws(() => list.push(reader), { code: 'EMFILE' });
      assert.equal(list.length, 1);
      for (const client of clients) client.close();
      const late = await Client(manager.address!, { authkey: KEY });
      late.close();
      list.push(reader);
      list.length = 0;
      for (const end of [reader, writer]) end.close();
    });
  },

  async 'nothing is left of managers that are shut down'() {
    const rounds = async (): Promise<void> => {
      for (let i = 0; i < 5; i++) {
        const manager = Manager();
        const d = manager.dict();
        await asyncProxy(d).set('x', i);
        await inGoodChild(() => d['x']);
        await manager.shutdown();
      }
    };
    await rounds();
    const before = countDescriptors();
    await rounds();
    assert.ok(countDescriptors() <= before, `${before} before, ${countDescriptors()} after`);
  },

  /** Does something only for those below. */
  'the parent of a server'() {
    if (process.argv.at(-1) !== STARTED) return;
    const manager = Manager();
    const d = manager.dict({ x: 1 });
    process.on('SIGINT', () => {
      console.log(`x is ${d.x > 0}`);
      process.exit(0);
    });
    setInterval(() => d.x++, 5);
    console.log(JSON.stringify({ pid: manager.pid }));
  },

  async 'a server ends with its parent, also when that is killed'() {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const parent = startProgram('the parent of a server', {}, STARTED);
      const { pid } = await parent.report<{ pid: number }>();
      parent.process.kill(signal);
      await parent.end();
      await until(() => !isRunning(pid));
    }
  },

  async 'Ctrl-C does not end the server before its clients'() {
    const parent = startProgram('the parent of a server', { detached: true }, STARTED);
    const { pid } = await parent.report<{ pid: number }>();
    process.kill(-parent.pid, 'SIGINT');
    assert.deepEqual(await parent.end(), { code: 0, signal: null });
    assert.match(parent.stdout, /x is true/);
    await until(() => !isRunning(pid));
  },

  async 'a server that does not listen to anybody is made to end'() {
    const manager = new SyncManager({ shutdownTimeout: 50 }).start();
    process.kill(manager.pid!, 'SIGSTOP');
    await manager.shutdown();
    assert.equal(await manager.join(), -9);
    const again = new SyncManager({ shutdownTimeout: 50 }).start();
    again.dict();
    process.kill(again.pid!, 'SIGSTOP');
    again.shutdownSync();
    assert.equal(again.joinSync(), -9);
  },

  async 'a daemon cannot have a manager, and uses that of others'() {
    const manager = Manager();
    const d = manager.dict({ x: 1 });
    const child = new Process({
      daemon: true,
      target: () => {
        assert.throws(() => Manager(), misuse('DAEMON'));
        d.x++;
      },
    });
    child.start();
    assert.equal(await child.join(), 0);
    assert.equal(d.x, 2);
    assert.equal(await inChild(() => d.x), 2);
    await manager.shutdown();
    assert.throws(() => new BaseManager({ address: manager.address }).connectSync(), LOST);
  },
};
