// Peers that are dead, slow, mute or hostile before they have shown that they know the key: nobody
// else waits for them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Client, Connection, Listener, Process } from 'truefork';
import { close, pipe, sendFds } from 'truefork/posix';
import { countDescriptors, sleep, until } from '../support/observe.js';
import { Relay } from '../support/relay.js';
import type { Scenarios } from '../support/scenarios.js';
import { abstractName, assertConnected, connected, KEY } from './listening.js';
import { assertGood, shortHeader, started, TIMEOUT, turn } from './support.js';

/** One who connects and says nothing. */
async function mute(listener: Listener): Promise<Socket> {
  const socket = connect(listener.address as string);
  socket.on('error', () => {}).resume();
  await once(socket, 'connect');
  return socket;
}

/** The first one who knows the key. */
async function firstGood(listener: Listener): Promise<Connection> {
  for await (const connection of listener) return connection;
  throw new Error('the listener was closed');
}

function aborting(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

function frame(text: string): Buffer {
  const body = Buffer.from(text, 'latin1');
  return Buffer.concat([shortHeader(body.length), body]);
}

/** Bytes to send before the end, or before nothing more comes. */
const BEGINNINGS: Buffer[] = [
  Buffer.alloc(0),
  Buffer.from([0]),
  shortHeader(40),
  shortHeader(256),
  shortHeader(257),
  shortHeader(2 ** 31 - 1),
  shortHeader(-1),
  shortHeader(-2),
  Buffer.alloc(12, 0xff),
  Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  Buffer.alloc(100_000, 0),
  frame('').subarray(0, 3),
  frame(`{sha256}${'x'.repeat(32)}`).subarray(0, 20),
  frame('x'.repeat(256)).subarray(0, 200),
];

export const scenarios: Scenarios = {
  async 'mute ones, more of them than there may be'() {
    const before = countDescriptors();
    const listener = new Listener(undefined, { authkey: KEY });
    const accepting = listener.accept();
    const others: Socket[] = [];
    for (let i = 0; i < 300; i++) others.push(await mute(listener));
    const client = await Client(listener.address, { authkey: KEY });
    const connection = await accepting;
    await assertConnected(connection, client);
    // The peers that came first had to go.
    await until(
      () => others.filter((socket) => socket.destroyed || socket.readableEnded).length > 40,
    );
    const [a, b] = await connected(listener, KEY);
    await assertConnected(a, b);
    for (const end of [connection, client, a, b, listener]) end.close();
    for (const socket of others) socket.destroy();
    await until(() => countDescriptors() <= before);
  },

  'the same for one who blocks': {
    async run() {
      const listener = new Listener(undefined, { authkey: KEY });
      const [reader, writer] = pipe();
      const child = started(async () => {
        for (let i = 0; i < 100; i++) await mute(listener);
        const connection = await Client(listener.address, { authkey: KEY });
        await connection.send('hello');
        close(writer);
        await assert.rejects(connection.recv(), { code: 'ERR_TRUEFORK_EOF' });
        process.exit();
      });
      close(writer);
      const connection = listener.acceptSync();
      assert.equal(connection.recvSync(), 'hello');
      connection.close();
      close(reader);
      await assertGood(child);
      listener.close();
    },
  },

  async 'one that sends a byte now and then'() {
    using listener = new Listener(undefined, { authkey: KEY });
    const accepting = listener.accept();
    const slow = await mute(listener);
    for (const byte of frame(`{sha256}${'x'.repeat(32)}`).subarray(0, 30)) {
      slow.write(Uint8Array.of(byte));
      await turn();
    }
    const client = await Client(listener.address, { authkey: KEY });
    await assertConnected(await accepting, client);
    slow.destroy();
  },

  async 'whoever takes too long has to go, also where nobody turns the event loop'() {
    const blocking = new Listener(undefined, { authkey: KEY });
    const child = started(async () => {
      const slow = await mute(blocking);
      await once(slow, 'end');
      await (await Client(blocking.address, { authkey: KEY })).send('now');
    });
    const blocked = started(() => assert.equal(blocking.acceptSync().recvSync(), 'now'));
    const listener = new Listener(undefined, { authkey: KEY });
    const start = performance.now();
    const accepting = assert.rejects(listener.accept(12_000), TIMEOUT);
    const slow = await mute(listener);
    await once(slow, 'end');
    assert.ok(performance.now() - start > 9000);
    listener.close();
    await accepting.catch(() => {});
    await assertGood(child);
    await assertGood(blocked);
    blocking.close();
  },

  async 'those that end, or fall silent, at any moment'() {
    const before = countDescriptors();
    const listener = new Listener(undefined, { authkey: KEY });
    const accepting = firstGood(listener);
    const silent: Socket[] = [];
    for (const beginning of BEGINNINGS) {
      const gone = await mute(listener);
      gone.end(beginning);
      const halfClosed = await mute(listener);
      halfClosed.write(beginning);
      silent.push(halfClosed);
    }
    const client = await Client(listener.address, { authkey: KEY });
    const connection = await accepting;
    await assertConnected(connection, client);
    for (const end of [client, connection, listener]) end.close();
    for (const socket of silent) socket.destroy();
    await until(() => countDescriptors() <= before);
  },

  async 'a client that is killed at any moment'() {
    using listener = new Listener(undefined, { authkey: KEY });
    for (let delay = 0; delay < 12; delay++) {
      const child = new Process({
        target: async () => {
          for (;;) {
            try {
              (await Client(listener.address, { authkey: KEY })).close();
            } catch {
              // it was turned away
            }
          }
        },
      });
      child.start();
      const end = performance.now() + delay;
      do {
        try {
          (await listener.accept(200)).close();
        } catch {
          // nobody came, or somebody went
        }
      } while (performance.now() < end);
      child.kill();
      await child.join();
      const accepting = (async (): Promise<Connection> => {
        for (;;) {
          const connection = await listener.accept();
          if ((await connection.recv().catch(() => 'gone')) === 'after that') return connection;
          connection.close();
        }
      })();
      const client = await Client(listener.address, { authkey: KEY });
      await client.send('after that');
      await assertConnected(client, await accepting);
    }
  },

  async 'one of the two is gone after any byte of the handshake'() {
    // The first child leaves something open that all later ones use.
    await assertGood(started(() => {}));
    const before = countDescriptors();
    const listener = new Listener(undefined, { authkey: KEY });
    const path = `${listener.address as string}-relay`;
    const relay = await new Relay(listener.address as string).listen(path);
    const accepted: Connection[] = [];
    const accepting = (async (): Promise<void> => {
      for await (const connection of listener) accepted.push(connection);
    })();
    const options = { authkey: KEY, timeout: 10_000 };
    const talk = async (): Promise<void> => {
      using connection = await Client(path, options);
      await connection.recvBytes(Infinity, 10_000);
    };
    relay.open();
    const whole = await Client(path, options);
    await until(() => accepted.length === 1);
    const lengths = (['toServer', 'toClient'] as const).map(
      (direction) => [direction, relay.endsOfPieces(direction).at(-1)!] as const,
    );
    for (const [direction, length] of lengths) {
      assert.ok(length > 100);
      for (let bytes = 1; bytes < length; bytes++) {
        relay.openFor(direction, bytes, () => relay.disconnect());
        await assert.rejects(talk, { code: /EOF|TRUNCATED|ECONNRESET|EPIPE/ });
      }
    }
    // A process that is killed there.
    for (let bytes = 1; bytes < lengths[0]![1]; bytes += 9) {
      relay.openFor('toServer', bytes, () => child.kill());
      const child = started(talk);
      assert.equal(await child.join(), -9);
    }
    assert.equal(accepted.length, 1);
    const client = await Client(listener.address, options);
    await until(() => accepted.length === 2);
    await assertConnected(accepted[1]!, client);
    for (const end of [whole, client, ...accepted, listener, relay]) end.close();
    await accepting;
    await until(() => countDescriptors() <= before);
  },

  async 'descriptors that come with the handshake are not taken'() {
    const [reader, writer] = pipe();
    using listener = new Listener(abstractName(), { authkey: KEY });
    const { signal, abort } = aborting();
    const accepting = assert.rejects(listener.accept({ signal }), { name: 'AbortError' });
    const stranger = await Client(listener.address);
    await stranger.recvBytes();
    const before = countDescriptors();
    sendFds(stranger.fileno(), [writer, writer, writer], shortHeader(100));
    await sleep(20);
    await until(() => countDescriptors() <= before);
    stranger.close();
    abort();
    await accepting;
    close(reader);
    close(writer);
  },

  async 'a handshake without room to write does not block'() {
    // The listener writes a few bytes only; a client whose peer does not read waits, and no longer
    // than it is told to.
    using listener = new Listener(abstractName());
    const accepting = listener.accept();
    const client = Client(listener.address, { authkey: KEY, timeout: 30_000 });
    const server = await accepting;
    for (let i = 0; i < 3; i++)
      server.sendBytesSync(Buffer.from('#CHALLENGE#01234567890123456789'));
    await assert.rejects(client, { name: 'AuthenticationError' });
  },
};
