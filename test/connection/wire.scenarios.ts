// The bytes on the wire, also those that no Connection would send.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Connection, Pipe } from 'truefork';
import { close, read, socketpair } from 'truefork/posix';
import type { Scenarios } from '../support/scenarios.js';
import {
  BAD_LENGTH,
  BROKEN_PIPE,
  EOF,
  MB,
  misuse,
  pattern,
  rawPair,
  shortHeader,
  TIMEOUT,
  TRUNCATED,
  turn,
  writeAll,
} from './support.js';

function longHeader(length: bigint): Buffer {
  const header = Buffer.alloc(12, 0xff);
  header.writeBigUInt64BE(length, 4);
  return header;
}

export const scenarios: Scenarios = {
  async 'a byte at a time'() {
    const [connection, fd] = rawPair();
    const bytes = Buffer.concat([
      shortHeader(3),
      Buffer.from('abc'),
      longHeader(2n),
      Buffer.from('de'),
    ]);
    const messages = Promise.all([connection.recvBytes(), connection.recvBytes()]);
    for (const byte of bytes) {
      writeAll(fd, Uint8Array.of(byte));
      await turn();
    }
    assert.deepEqual(await messages, [Buffer.from('abc'), Buffer.from('de')]);
  },

  async 'a truncated header'() {
    const truncated: [Buffer, object][] = [
      [Buffer.alloc(0), EOF],
      [Buffer.of(0), TRUNCATED],
      [shortHeader(1).subarray(0, 3), TRUNCATED],
      [shortHeader(1), TRUNCATED],
      [shortHeader(-1), TRUNCATED],
      [longHeader(3n).subarray(0, 11), TRUNCATED],
      [Buffer.concat([longHeader(3n), Buffer.from('ab')]), TRUNCATED],
    ];
    for (const [bytes, error] of truncated) {
      for (const isSync of [false, true]) {
        const [connection, fd] = rawPair();
        writeAll(fd, bytes);
        close(fd);
        if (isSync) assert.throws(() => connection.recvBytesSync(), error);
        else await assert.rejects(connection.recvBytes(), error);
        await assert.rejects(connection.recv(), error);
        connection.close();
      }
    }
  },

  async 'hostile lengths'() {
    const headers = [
      shortHeader(-2),
      shortHeader(-(2 ** 31)),
      longHeader(2n ** 63n),
      longHeader(2n ** 64n - 1n),
      longHeader(2n ** 53n),
      // No machine has as much, though some Node would have a Buffer of it.
      longHeader(2n ** 52n),
    ];
    for (const header of headers) {
      const [connection, fd] = rawPair();
      writeAll(fd, header, Buffer.from('body'));
      await assert.rejects(connection.recvBytes(), BAD_LENGTH, header.toString('hex'));
      assert.throws(() => connection.recvSync(), BAD_LENGTH);
      assert.equal(connection.readable, false);
      // The other direction is not affected.
      connection.sendBytesSync(Buffer.from('ok'));
      const buffer = Buffer.alloc(10);
      assert.equal(read(fd, buffer), 6);
      connection.close();
      close(fd);
    }
  },

  async 'a length that is a lie costs no memory'() {
    const [connection, fd] = rawPair();
    writeAll(fd, shortHeader(2 ** 31 - 1), Buffer.from('not that much'));
    const { rss } = process.memoryUsage();
    await assert.rejects(connection.recvBytes(Infinity, 10), TIMEOUT);
    assert.ok(process.memoryUsage().rss - rss < 500 * MB);
    close(fd);
    await assert.rejects(connection.recvBytes(), TRUNCATED);
  },

  async 'bytes that send() did not send'() {
    const [a, b] = Pipe();
    const error = misuse('BAD_MESSAGE', 'the message was not sent by send()');
    for (const bytes of ['', '\xff', 'hello', '\0', '\0garbage', '\x05garbage', '\x02abc']) {
      b.sendBytesSync(Buffer.from(bytes, 'latin1'));
      await assert.rejects(a.recv(), error, JSON.stringify(bytes));
    }
    b.sendSync('but then');
    assert.equal(await a.recv(), 'but then');
  },

  async 'frames as they are on the wire'() {
    const [connection, fd] = rawPair();
    const buffer = Buffer.alloc(100);
    connection.sendBytesSync(Buffer.from('hello'));
    assert.equal(buffer.toString('latin1', 0, read(fd, buffer)), '\0\0\0\x05hello');
    await connection.sendBytes(Buffer.alloc(0));
    assert.equal(buffer.toString('latin1', 0, read(fd, buffer)), '\0\0\0\0');
    writeAll(
      fd,
      longHeader(5n),
      Buffer.from('hello'),
      shortHeader(2),
      Buffer.from('hi'),
      longHeader(0n),
    );
    assert.equal(String(await connection.recvBytes()), 'hello');
    assert.equal(String(connection.recvBytesSync()), 'hi');
    assert.equal(String(connection.recvBytesSync()), '');
  },

  async 'a message of 2 GiB has a long header'() {
    for (const [length, header] of [
      [2 ** 31 - 1, shortHeader(2 ** 31 - 1)],
      [2 ** 31, longHeader(2n ** 31n)],
    ] as const) {
      const [connection, fd] = rawPair();
      // Zeros that are never written to take no memory.
      const sending = assert.rejects(connection.sendBytes(new Uint8Array(length)), BROKEN_PIPE);
      const buffer = Buffer.alloc(header.length + 1);
      assert.equal(read(fd, buffer), buffer.length);
      assert.deepEqual(buffer.subarray(0, -1), header);
      close(fd);
      await sending;
      connection.close();
    }
  },

  async 'a Python program at the other end'() {
    if (spawnSync('python3', ['-c', 'import multiprocessing.connection']).status !== 0) return;
    const [a, b] = socketpair();
    const program = `
import struct
from multiprocessing.connection import Connection
connection = Connection(3)
connection._send(struct.pack('!i', -1) + struct.pack('!Q', 5) + b'hello')
while True:
    try:
        message = connection.recv_bytes()
    except EOFError:
        break
    connection.send_bytes(message[::-1])
`;
    const python = spawn('python3', ['-c', program], { stdio: ['ignore', 1, 2, b] });
    close(b);
    const connection = new Connection(a);
    assert.equal(String(await connection.recvBytes()), 'hello');
    for (const length of [0, 1, 16_383, 16_384, 16_385, 3 * MB]) {
      const message = pattern(length);
      const [reply] = await Promise.all([connection.recvBytes(), connection.sendBytes(message)]);
      assert.ok(message.equals(reply.toReversed()), String(length));
    }
    for (let i = 0; i < 100; i++) connection.sendBytesSync(Buffer.from(`${i}`));
    for (let i = 0; i < 100; i++) {
      assert.equal(String(Buffer.from(connection.recvBytesSync().toReversed())), `${i}`);
    }
    connection.close();
    assert.deepEqual(await once(python, 'exit'), [0, null]);
  },

  async 'an end in the middle of a message is no end of the values'() {
    const [connection, fd] = rawPair();
    writeAll(fd, shortHeader(9), Buffer.from('half'));
    close(fd);
    await assert.rejects(async () => {
      for await (const value of connection) assert.fail(String(value));
    }, TRUNCATED);
  },
};
