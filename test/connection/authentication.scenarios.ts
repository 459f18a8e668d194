// The handshake: with the right key, with a wrong one, with none; and the keys of processes.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import { Client, ClientSync, Connection, currentProcess, Listener, Pipe, Process } from 'truefork';
import { countDescriptors, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import {
  abstractName,
  assertConnected,
  assertEnds,
  connected,
  KEY,
  RECEIVED_WRONG,
  SENT_REJECTED,
  WRONG_KEY,
} from './listening.js';
import { assertGood, EOF, started, TIMEOUT, turn } from './support.js';

function protocolError(message: RegExp): object {
  return { name: 'AuthenticationError', code: 'ERR_TRUEFORK_AUTHENTICATION', message };
}

/** A Client over a listener without a key, whose part the test plays: `[server end, client]`. */
async function clientBefore(play: (server: Connection) => Promise<void>): Promise<Connection> {
  using listener = new Listener(abstractName());
  const client = Client(listener.address, { authkey: KEY });
  const server = await listener.accept();
  const played = play(server);
  try {
    return await client;
  } finally {
    await played;
    server.close();
  }
}

/** The first accept() of a listener with a key, before a client whose part the test plays. */
async function listenerBefore(play: (client: Connection) => Promise<void>): Promise<Connection> {
  using listener = new Listener(abstractName(), { authkey: KEY });
  const accepting = listener.accept();
  const client = await Client(listener.address);
  const played = play(client);
  try {
    return await accepting;
  } finally {
    await played;
    client.close();
  }
}

function answer(digest: string, message: Buffer): Buffer {
  return createHmac(digest, KEY).update(message).digest();
}

function send(connection: Connection, text: string): Promise<void> {
  return connection.sendBytes(Buffer.from(text, 'latin1'));
}

async function challengeFrom(connection: Connection): Promise<Buffer> {
  const message = await connection.recvBytes(256);
  assert.equal(message.toString('latin1', 0, 11), '#CHALLENGE#');
  return message.subarray(11);
}

async function expect(connection: Connection, text: string): Promise<void> {
  assert.equal(String(await connection.recvBytes(256)), text);
}

export const scenarios: Scenarios = {
  async 'a key, also an empty or a long one'() {
    for (const authkey of [KEY, Buffer.alloc(0), Buffer.alloc(1000, 'x'), new Uint8Array([0])]) {
      using listener = new Listener(undefined, { authkey });
      const [a, b] = await connected(listener, authkey);
      await assertConnected(a, b);
    }
  },

  async 'a wrong key is refused, on both sides, and the next one is not'() {
    const before = countDescriptors();
    const listener = new Listener(undefined, { authkey: KEY });
    for (const authkey of [WRONG_KEY, Buffer.alloc(0)]) {
      await Promise.all([
        assert.rejects(listener.accept(), RECEIVED_WRONG),
        assert.rejects(Client(listener.address, { authkey }), SENT_REJECTED),
      ]);
      const child = started(() => {
        assert.throws(() => ClientSync(listener.address, { authkey }), SENT_REJECTED);
      });
      assert.throws(() => listener.acceptSync(), RECEIVED_WRONG);
      await assertGood(child);
    }
    const [a, b] = await connected(listener, KEY);
    await assertConnected(a, b);
    for (const end of [a, b, listener]) end.close();
    await until(() => countDescriptors() <= before);
  },

  async 'in a loop over the connections it is not mentioned'() {
    const listener = new Listener(undefined, { authkey: KEY });
    const child = started(async () => {
      listener.close();
      const wrong = Client(listener.address, { authkey: WRONG_KEY });
      await assert.rejects(wrong, SENT_REJECTED);
      await (await Client(listener.address, { authkey: KEY })).send('right');
    });
    for await (const connection of listener) {
      assert.equal(await connection.recv(), 'right');
      break;
    }
    await assertGood(child);
    listener.close();
  },

  async 'one of the two has no key'() {
    using without = new Listener(abstractName());
    const client = Client(without.address, { authkey: KEY, timeout: 100 });
    const isLate = assert.rejects(client, TIMEOUT);
    const connection = await without.accept();
    await isLate;
    await assertEnds(connection);
    using listener = new Listener(abstractName(), { authkey: KEY });
    const accepting = listener.accept();
    const stranger = await Client(listener.address);
    // It gets the challenge and not a value.
    await assert.rejects(stranger.recv(), { code: 'ERR_TRUEFORK_BAD_MESSAGE' });
    stranger.sendSync({ not: 'the answer' });
    await assert.rejects(accepting, protocolError(/^unsupported message length/));
    await expect(stranger, '#FAILURE#');
    await assertEnds(stranger);
  },

  async 'the key is changed after that: a copy counts'() {
    const authkey = Buffer.from('changed');
    using listener = new Listener(undefined, { authkey });
    authkey.fill(0);
    await assertConnected(...(await connected(listener, Buffer.from('changed'))));
  },

  async 'an answer in each digest, and in the old form'() {
    const digests = {
      md5: 'md5',
      sha256: 'sha256',
      sha384: 'sha384',
      sha3_256: 'sha3-256',
      sha3_384: 'sha3-384',
    };
    for (const [name, digest] of [...Object.entries(digests), ['', 'md5'] as const]) {
      const connection = await listenerBefore(async (client) => {
        const challenge = await challengeFrom(client);
        assert.match(challenge.toString('latin1'), /^\{sha256\}[^]{40}$/);
        const prefix = Buffer.from(name === '' ? '' : `{${name}}`);
        await client.sendBytes(Buffer.concat([prefix, answer(digest, challenge)]));
        await expect(client, '#WELCOME#');
        const own = Buffer.from(`{${name || 'sha256'}}0123456789012345678901234567890123456789`);
        await client.sendBytes(Buffer.concat([Buffer.from('#CHALLENGE#'), own]));
        const reply = await client.recvBytes(256);
        const expected = [
          Buffer.from(`{${name || 'sha256'}}`),
          answer(name === '' ? 'sha256' : digest, own),
        ];
        assert.deepEqual(reply, Buffer.concat(expected));
        await send(client, '#WELCOME#');
      });
      connection.close();
    }
  },

  async 'a challenge of the old form'() {
    const old = Buffer.from('01234567890123456789');
    const connection = await clientBefore(async (server) => {
      await server.sendBytes(Buffer.concat([Buffer.from('#CHALLENGE#'), old]));
      assert.deepEqual(await server.recvBytes(256), answer('md5', old));
      await send(server, '#WELCOME#');
      const challenge = await challengeFrom(server);
      await server.sendBytes(answer('md5', challenge));
      await expect(server, '#WELCOME#');
    });
    connection.close();
  },

  async 'a listener that speaks nonsense'() {
    const cases: [string, RegExp][] = [
      ['', /^protocol error: expected a challenge$/],
      ['#CHALLENGE', /^protocol error: expected a challenge$/],
      ['#WELCOME#', /^protocol error: expected a challenge$/],
      ['#CHALLENGE#', /^challenge too short: 0 bytes$/],
      ['#CHALLENGE#short', /^challenge too short: 5 bytes$/],
      [`#CHALLENGE#${'x'.repeat(40)}`, /^unsupported message length/],
      [`#CHALLENGE#{sha1}${'x'.repeat(40)}`, /^unsupported message length/],
      [`#CHALLENGE#{sha256${'x'.repeat(40)}`, /^unsupported message length/],
      [`#CHALLENGE#{__proto__}${'x'.repeat(40)}`, /^unsupported message length/],
    ];
    for (const [text, message] of cases) {
      const client = clientBefore((server) => send(server, text));
      await assert.rejects(client, protocolError(message), text);
    }
    const tooLong = clientBefore((server) => send(server, '#CHALLENGE#'.padEnd(257)));
    await assert.rejects(tooLong, { code: 'ERR_TRUEFORK_BAD_LENGTH' });
    const gone = clientBefore(async (server) => server.close());
    await assert.rejects(gone, EOF);
    const rejected = clientBefore(async (server) => {
      await send(server, `#CHALLENGE#{sha256}${'x'.repeat(40)}`);
      await server.recvBytes();
      await send(server, 'something bogus');
    });
    await assert.rejects(rejected, SENT_REJECTED);
    // One that takes every key does not know ours.
    const careless = clientBefore(async (server) => {
      await send(server, `#CHALLENGE#{sha256}${'x'.repeat(40)}`);
      await server.recvBytes();
      await send(server, '#WELCOME#');
      await challengeFrom(server);
      await send(server, `{sha256}${'x'.repeat(32)}`);
      await expect(server, '#FAILURE#');
    });
    await assert.rejects(careless, RECEIVED_WRONG);
  },

  async 'a client that speaks nonsense'() {
    const cases: [string, RegExp][] = [
      ['', /^unsupported message length/],
      ['x'.repeat(15), /^unsupported message length/],
      ['x'.repeat(16), /^digest received was wrong$/],
      ['x'.repeat(20), /^digest received was wrong$/],
      [`{sha256}${'x'.repeat(32)}`, /^digest received was wrong$/],
      [`{sha256}`, /^digest received was wrong$/],
      [`{md5}${'x'.repeat(16)}`, /^digest received was wrong$/],
      [`{sha1}${'x'.repeat(20)}`, /^unsupported message length/],
      ['{}', /^unsupported message length/],
      ['x'.repeat(256), /^unsupported message length/],
    ];
    for (const [text, message] of cases) {
      const accepting = listenerBefore(async (client) => {
        await challengeFrom(client);
        await send(client, text);
        await expect(client, '#FAILURE#');
        await assertEnds(client);
      });
      await assert.rejects(accepting, protocolError(message), text);
    }
  },

  async 'an answer that was good for another challenge'() {
    using listener = new Listener(abstractName(), { authkey: KEY });
    const accepting = listener.accept();
    const one = await Client(listener.address);
    const other = await Client(listener.address);
    const challenge = await challengeFrom(one);
    assert.notDeepEqual(await challengeFrom(other), challenge);
    await other.sendBytes(Buffer.concat([Buffer.from('{sha256}'), answer('sha256', challenge)]));
    await assert.rejects(accepting, RECEIVED_WRONG);
    await expect(other, '#FAILURE#');
  },

  async 'the key of a process: inherited, and set'() {
    const key = Buffer.from(currentProcess().authkey);
    assert.equal(key.length, 32);
    await assertGood(
      started(async () => {
        assert.ok(key.equals(currentProcess().authkey));
        currentProcess().authkey = Buffer.from('new');
        await assertGood(started(() => assert.equal(String(currentProcess().authkey), 'new')));
      }),
    );
    assert.ok(key.equals(currentProcess().authkey));
    const options = { authkey: currentProcess().authkey };
    using listener = new Listener(undefined, options);
    const child = started(async () => {
      await (await Client(listener.address, { authkey: currentProcess().authkey })).send('hello');
    });
    assert.equal(await (await listener.accept()).recv(), 'hello');
    await assertGood(child);
  },

  async 'a key is never shown, and never sent by mistake'() {
    const secret = Buffer.from('a very secret key');
    const one = new Process({ authkey: secret });
    using listener = new Listener(undefined, { authkey: secret });
    const shown = (text: string | undefined): void => {
      assert.ok(text !== undefined);
      for (const form of [
        secret.toString(),
        secret.toString('hex'),
        secret.toString('base64'),
        [...secret].join(','),
      ]) {
        assert.ok(!text.includes(form) && !text.replaceAll(/\s/g, '').includes(form), text);
      }
      assert.ok(!/61 20 76 65 72 79/.test(text), text);
    };
    for (const object of [one, one.authkey, [one.authkey], { one, listener, key: one.authkey }]) {
      shown(inspect(object, { depth: 10, showHidden: true, showProxy: true }));
      shown(JSON.stringify(object));
    }
    assert.equal(inspect(one.authkey), '<AuthenticationString>');
    const [a] = Pipe();
    const refused = {
      code: 'ERR_TRUEFORK_NOT_CLONABLE',
      message: 'the key of a process cannot be sent',
    };
    assert.throws(() => a.sendSync(one.authkey), refused);
    const accepting = listener.accept();
    const client = Client(listener.address, { authkey: WRONG_KEY });
    for (const failing of [accepting, client]) {
      const error = (await failing.catch((reason: unknown) => reason)) as Error;
      shown(inspect(error, { depth: 10, showHidden: true }));
    }
    await turn();
  },
};
