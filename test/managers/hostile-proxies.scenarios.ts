// Proxies whose senders mean no good: a server's address in a message is anybody's word.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  asyncProxy,
  Client,
  type Connection,
  currentProcess,
  Listener,
  Manager,
  Pipe,
  SyncManager,
} from 'truefork';
import { startProgram } from '../support/programs.js';
import { Relay } from '../support/relay.js';
import type { Scenarios } from '../support/scenarios.js';
import { inGoodChild, LOST, misuse, started } from './support.js';

const KEY = Buffer.from('the key');
const OTHER_KEY = Buffer.from('the key of guests');
const STARTED = 'started';
const NOT_AUTHENTICATED = { name: 'AuthenticationError', code: 'ERR_TRUEFORK_AUTHENTICATION' };

type AnyDict = Record<string, unknown>;

async function withDirectory(use: (path: (name: string) => string) => unknown): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'truefork-test-'));
  try {
    await use((name) => join(directory, name));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The bytes that a proxy is sent as. */
async function bytesOf(proxy: object): Promise<Buffer> {
  const [reader, writer] = Pipe();
  await writer.send(proxy);
  const bytes = await reader.recvBytes();
  reader.close();
  writer.close();
  return bytes;
}

/** Which server it says that it is of. */
function serverIn(bytes: Buffer): string {
  return /server"\x20([0-9a-f]{32})/.exec(bytes.toString('latin1'))![1]!;
}

function replaced(bytes: Buffer, from: string, to: string): Buffer {
  assert.equal(from.length, to.length);
  return Buffer.from(bytes.toString('latin1').replaceAll(from, to), 'latin1');
}

interface Plan {
  /** Where the victim listens. */
  listener: string;
  authkey: string | undefined;
  /** The manager of the victim that is to be reached. */
  victim: string;
  server: string;
  /** Where the victim is to connect instead. */
  relay: string;
}

/** Sends a proxy that says that the victim's server is where the relay is. */
async function attack({ listener, authkey, victim, server, relay }: Plan): Promise<void> {
  const mine = new SyncManager({ address: relay, authkey: KEY }).start();
  const bytes = await bytesOf(mine.dict({ x: 1 }));
  renameSync(relay, `${relay}-gone`);
  const between = await new Relay(victim).listen(relay);
  between.open();
  const connection = await Client(
    listener,
    authkey === undefined ? {} : { authkey: Buffer.from(authkey) },
  );
  await connection.sendBytes(replaced(bytes, serverIn(bytes), server));
  for await (const _ of connection) {
    const pieces = [between.endsOfPieces('toServer'), between.endsOfPieces('toClient')];
    await connection.send(pieces.map(({ length }) => length));
  }
  between.close();
  await mine.shutdown();
}

/**
 * Receives what the attacker has sent. `ask` says how many pieces have passed the relay in either
 * direction.
 */
async function beAttacked(
  authkey: Buffer | undefined,
  use: (proxy: AnyDict, ask: () => Promise<unknown>, manager: SyncManager) => unknown,
): Promise<void> {
  await withDirectory(async (path) => {
    const manager = new SyncManager({ address: path('manager') }).start();
    const plan: Plan = {
      listener: path('listener'),
      authkey: authkey?.toString(),
      victim: path('manager'),
      server: serverIn(await bytesOf(manager.dict())),
      relay: path('relayed'),
    };
    using listener = new Listener(plan.listener, { authkey });
    const attacker = startProgram('an attacker', {}, STARTED, JSON.stringify(plan));
    const connection = await listener.accept();
    const proxy = (await connection.recv()) as AnyDict;
    const ask = async (): Promise<unknown> => {
      await connection.send('how many?');
      return connection.recv();
    };
    await use(proxy, ask, manager);
    connection.close();
    assert.deepEqual(await attacker.end(), { code: 0, signal: null });
    assert.equal(attacker.stderr, '');
    await manager.shutdown();
  });
}

class Box {
  #item: unknown;

  put(item: unknown): void {
    this.#item = item;
  }

  take(): unknown {
    return this.#item;
  }
}

const box = new Box();

class Boxes extends SyncManager {}
Boxes.register('box', () => box);

/** A client of elsewhere, which has nothing of this process but what it is told. */
async function visit(address: string): Promise<void> {
  const manager = await new Boxes({ address, authkey: KEY }).connect();
  const d = (manager.create('box') as Box).take() as AnyDict;
  assert.equal(d['x'], 1);
  d['x'] = 2;
}

function isOfAnother(error: Error & { code?: string }): boolean {
  assert.equal(error.code, LOST.code);
  assert.match(String(error.cause), /another manager's server/);
  return true;
}

export const scenarios: Scenarios = {
  /** Does something only for those below. */
  async 'an attacker'() {
    if (process.argv.at(-2) === STARTED) await attack(JSON.parse(process.argv.at(-1)!) as Plan);
  },

  /** Does something only for those below. */
  async 'a visitor'() {
    if (process.argv.at(-2) === STARTED) await visit(process.argv.at(-1)!);
  },

  async 'a guest with another key relays the handshake to a manager of its host'() {
    await beAttacked(OTHER_KEY, async (proxy, ask, manager) => {
      assert.deepEqual(await ask(), [0, 0]);
      // The guest knows its own key, and that is all that is shown to it.
      assert.throws(() => proxy['x'], {
        ...NOT_AUTHENTICATED,
        message: 'digest sent was rejected',
      });
      await assert.rejects(asyncProxy(proxy).get('x'), NOT_AUTHENTICATED);
      assert.equal(manager.dict({ x: 3 })['x'], 3);
    });
  },

  async 'a guest without a key does not even hear from its host'() {
    await beAttacked(undefined, async (proxy, ask, manager) => {
      const message = /does not know the manager's server .* connect\(\) to that manager first/;
      const refused = { ...NOT_AUTHENTICATED, message };
      assert.equal(await Promise.resolve(proxy), proxy);
      assert.throws(() => proxy['x'], refused);
      assert.throws(() => (proxy['x'] = 1), refused);
      await assert.rejects(asyncProxy(proxy).get('x'), refused);
      const [reader, writer] = Pipe();
      await assert.rejects(writer.send(proxy), refused);
      assert.throws(() => manager.list([proxy]), refused);
      reader.close();
      writer.close();
      assert.deepEqual(await ask(), [0, 0]);
    });
  },

  async 'what comes through an end of a pipe that a guest has been given is its word'() {
    await withDirectory(async (path) => {
      const manager = new SyncManager({ authkey: OTHER_KEY }).start();
      const bytes = await bytesOf(manager.dict({ x: 1 }));
      const unknown = replaced(bytes, serverIn(bytes), randomBytes(16).toString('hex'));
      using listener = new Listener(path('listener'));
      const child = started(async () => {
        const guest = await Client(path('listener'));
        const end = (await guest.recv()) as Connection;
        await end.sendBytes(unknown);
        await guest.recv();
      });
      const connection = await listener.accept();
      const [ours, theirs] = Pipe();
      await connection.send(theirs);
      const proxy = (await ours.recv()) as AnyDict;
      assert.throws(() => proxy['x'], NOT_AUTHENTICATED);
      await connection.send('end');
      assert.equal(await child.join(), 0);
      await manager.shutdown();
    });
  },

  async 'a relay to another server of the same key'() {
    await withDirectory(async (path) => {
      const [first, second] = ['first', 'second'].map((name) =>
        new SyncManager({ address: path(name), authkey: KEY }).start(),
      ) as [SyncManager, SyncManager];
      const d = first.dict<AnyDict>({ x: 1 });
      const bytes = await bytesOf(d);
      await first.shutdown();
      const relay = await new Relay(path('second')).listen(path('first'));
      relay.open();
      await inGoodChild(async () => {
        currentProcess().authkey = KEY;
        const [reader, writer] = Pipe();
        await writer.sendBytes(bytes);
        const proxy = (await reader.recv()) as AnyDict;
        assert.throws(() => proxy['x'], isOfAnother);
        await assert.rejects(asyncProxy(proxy).get('x'), isOfAnother);
      });
      // The victim has heard a challenge, and has said nothing.
      assert.notDeepEqual(relay.endsOfPieces('toClient'), []);
      assert.deepEqual(relay.endsOfPieces('toServer'), []);
      assert.throws(() => d['x'], LOST);
      relay.close();
      await second.shutdown();
    });
  },

  async 'a listener of the same key that is no server'() {
    using listener = new Listener(undefined, { authkey: KEY });
    const accepted = listener.accept().catch((error: Error) => error.name);
    const manager = new SyncManager({ address: listener.address, authkey: KEY });
    const refused = { ...NOT_AUTHENTICATED, message: /is not a manager's server/ };
    await assert.rejects(manager.connect(), refused);
    await inGoodChild(() => assert.throws(() => manager.connectSync(), refused));
    listener.close();
    await accepted;
  },

  async 'relatives know what they tell each other'() {
    const [ours, theirs] = Pipe();
    const child = started(async () => {
      using manager = Manager();
      const d = manager.dict<AnyDict>({ x: 1 });
      theirs.sendSync(d);
      await theirs.recv();
      assert.equal(d['x'], 2);
    });
    const d = (await ours.recv()) as AnyDict;
    assert.equal(d['x'], 1);
    assert.equal(await asyncProxy(d).get('x'), 1);
    d['x'] = 2;
    await ours.send('look');
    assert.equal(await child.join(), 0);
  },

  async 'who has shown the key is believed as far as that goes'() {
    using listener = new Listener(undefined, { authkey: currentProcess().authkey });
    const child = started(async () => {
      using manager = Manager();
      const d = manager.dict<AnyDict>({ x: 1 });
      const connection = await Client(listener.address, { authkey: currentProcess().authkey });
      await connection.send(d);
      await connection.recv();
    });
    const connection = await listener.accept();
    const d = (await connection.recv()) as AnyDict;
    assert.equal(d['x'], 1);
    await connection.send('end');
    assert.equal(await child.join(), 0);
  },

  async 'from one server on to another with the same key'() {
    await withDirectory(async (path) => {
      const inner = new SyncManager({ authkey: KEY }).start();
      const outer = new Boxes({ address: path('outer'), authkey: KEY }).start();
      const d = inner.dict<AnyDict>({ x: 1 });
      (outer.create('box') as Box).put(d);
      const visitor = startProgram('a visitor', {}, STARTED, path('outer'));
      assert.deepEqual(await visitor.end(), { code: 0, signal: null }, visitor.stderr);
      assert.equal(d['x'], 2);
      await outer.shutdown();
      await inner.shutdown();
    });
  },

  async 'what is known is used, whoever has sent it'() {
    using listener = new Listener();
    const manager = Manager();
    const d = manager.dict<AnyDict>({ x: 1 });
    const child = started(async () => {
      const connection = await Client(listener.address);
      await connection.send(d);
      await connection.recv();
    });
    const connection = await listener.accept();
    assert.equal(await connection.recv(), d);
    assert.equal(d['x'], 1);
    await connection.send('end');
    assert.equal(await child.join(), 0);
    await manager.shutdown();
  },

  async 'a proxy that has been received twice, and is forged the second time'() {
    const manager = Manager();
    const list = manager.list([1]);
    const bytes = await bytesOf(list);
    const [reader, writer] = Pipe();
    await writer.sendBytes(replaced(bytes, 'kind"\x04list', 'kind"\x04dict'));
    const forged = (await reader.recv()) as AnyDict;
    assert.notEqual(forged, list);
    await writer.sendBytes(bytes);
    assert.deepEqual([...((await reader.recv()) as number[])], [1]);
    assert.throws(() => (forged['x'] = 1), TypeError);
    await writer.sendBytes(replaced(bytes, 'kind"\x04list', 'kind"\x04tsil'));
    await assert.rejects(reader.recv(), misuse('BAD_MESSAGE'));
    assert.equal(list.length, 1);
    // Of an object that is not there: that is said, and the connection is good.
    await writer.sendBytes(replaced(bytes, 'idI\x02', 'idI\x7e'));
    const gone = await reader.recv();
    assert.throws(() => list.push(gone as number), misuse('NO_SUCH_OBJECT'));
    await assert.rejects(asyncProxy(list).push(gone as number), misuse('NO_SUCH_OBJECT'));
    assert.deepEqual([...list], [1]);
    await manager.shutdown();
  },
};
