import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { inspect } from 'node:util';
import {
  activeChildren,
  type BufferTooShort,
  Connection,
  EOFError,
  Pipe,
  Process,
  type ProcessOptions,
  TimeoutError,
} from 'truefork';
import {
  _exit,
  close,
  dup2,
  fork,
  kill,
  pipe,
  read,
  socketpair,
  waitpid,
  write,
} from 'truefork/posix';
import { children, countDescriptors, sleep, until } from './support/observe.js';
import type { Scenarios } from './support/scenarios.js';

const MB = 1_000_000;

const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const EOF = {
  name: 'EOFError',
  code: 'ERR_TRUEFORK_EOF',
  message: 'the other end of the connection is closed',
};
const TIMEOUT = { name: 'TimeoutError', code: 'ERR_TRUEFORK_TIMEOUT' };
const CLOSED = misuse('CLOSED', 'handle is closed');
const BAD_LENGTH = misuse('BAD_LENGTH', 'bad message length');
const TRUNCATED = misuse('TRUNCATED', 'got end of file during message');
const BROKEN_PIPE = { name: 'Error', message: 'write EPIPE', code: 'EPIPE', syscall: 'write' };

function misuse(code: string, message: string): { name: string; code: string; message: string } {
  return { name: 'ProcessError', code: `ERR_TRUEFORK_${code}`, message };
}

function started(options: ProcessOptions | (() => unknown)): Process {
  const child = new Process(typeof options === 'function' ? { target: options } : options);
  child.start();
  return child;
}

async function assertGood(child: Process): Promise<void> {
  assert.equal(await child.join(), 0);
}

/** Bytes that tell where they belong. */
function pattern(length: number): Buffer {
  return Buffer.alloc(length, '0123456789abcdefg');
}

function isPattern(bytes: Buffer, length: number): boolean {
  return bytes.equals(pattern(length));
}

/** The simplex pair and both directions of the duplex one: `[receiver, sender]`. */
function pairs(): [Connection, Connection][] {
  const [a, b] = Pipe();
  const [c, d] = Pipe(true);
  return [Pipe(false), [a, b], [d, c]];
}

/** A connection, and the descriptor of its other end. */
function rawPair(): [Connection, number] {
  const [a, b] = socketpair();
  return [new Connection(a), b];
}

function writeAll(fd: number, ...parts: Uint8Array[]): void {
  const bytes = Buffer.concat(parts);
  assert.equal(write(fd, bytes), bytes.length);
}

function shortHeader(length: number): Buffer {
  const header = Buffer.alloc(4);
  header.writeInt32BE(length);
  return header;
}

function longHeader(length: bigint): Buffer {
  const header = Buffer.alloc(12, 0xff);
  header.writeBigUInt64BE(length, 4);
  return header;
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** Collects garbage until `condition` holds. Node has to run with --expose-gc. */
async function collectUntil(condition: () => boolean): Promise<void> {
  const { gc } = globalThis as unknown as { gc: () => void };
  await until(() => {
    gc();
    return condition();
  });
}

/** What a program may have done with the two ends of a pipe. */
const USES: Record<string, (a: Connection, b: Connection) => unknown> = {
  'not used': () => {},
  'used blocking'(a, b) {
    a.sendSync(1);
    assert.equal(b.recvSync(), 1);
  },
  'full of messages'(a, b) {
    a.sendSync(1);
    b.sendSync(1);
  },
  async 'after a poll()'(a) {
    assert.equal(await a.poll(1), false);
  },
  async 'after a timeout'(a) {
    await assert.rejects(a.recv(1), TIMEOUT);
  },
  async 'after timeouts on both ends'(a, b) {
    await Promise.all([a, b].map((end) => assert.rejects(end.recv(1), TIMEOUT)));
  },
  async 'after a wait'(a, b) {
    const wait = a.recv();
    await turn();
    b.sendSync(1);
    assert.equal(await wait, 1);
  },
  async 'after a send that had to wait'(a, b) {
    const send = a.sendBytes(pattern(MB));
    await b.recvBytes();
    await send;
  },
};

export const scenarios: Scenarios = {
  async 'values in both directions, with and without blocking'() {
    for (const [receiver, sender] of pairs()) {
      sender.sendSync({ n: 1 });
      assert.deepEqual(receiver.recvSync(), { n: 1 });
      await sender.send([2]);
      assert.deepEqual(await receiver.recv(), [2]);
      sender.sendSync('three');
      assert.equal(await receiver.recv(), 'three');
      await sender.send(4);
      assert.equal(receiver.recvSync(), 4);
      await sender.sendBytes(Buffer.from('five'));
      assert.deepEqual(receiver.recvBytesSync(), Buffer.from('five'));
      sender.sendBytesSync(Uint8Array.of(6));
      assert.deepEqual(await receiver.recvBytes(), Buffer.of(6));
      const [received] = await Promise.all([receiver.recv(), sender.send(undefined)]);
      assert.equal(received, undefined);
    }
  },

  async 'values between processes'() {
    const [ours, theirs] = Pipe();
    const child = started(async () => {
      for (;;) {
        const value = await theirs.recv();
        if (value === null) return;
        theirs.sendSync({ echo: value });
      }
    });
    for (const value of [1, 'two', { three: [3] }]) {
      await ours.send(value);
      assert.deepEqual(await ours.recv(), { echo: value });
      ours.sendSync(value);
      assert.deepEqual(ours.recvSync(), { echo: value });
    }
    ours.sendSync(null);
    await assertGood(child);
  },

  async 'what each end is for'() {
    const [reader, writer] = Pipe(false);
    assert.deepEqual([reader.readable, reader.writable], [true, false]);
    assert.deepEqual([writer.readable, writer.writable], [false, true]);
    const readOnly = misuse('READ_ONLY', 'connection is read-only');
    const writeOnly = misuse('WRITE_ONLY', 'connection is write-only');
    await assert.rejects(reader.send(1), readOnly);
    await assert.rejects(reader.sendBytes(Buffer.alloc(1)), readOnly);
    assert.throws(() => reader.sendSync(1), readOnly);
    assert.throws(() => reader.sendBytesSync(Buffer.alloc(1)), readOnly);
    await assert.rejects(writer.recv(), writeOnly);
    await assert.rejects(writer.recvBytes(), writeOnly);
    await assert.rejects(writer.recvBytesInto(Buffer.alloc(1)), writeOnly);
    await assert.rejects(writer.poll(), writeOnly);
    await assert.rejects(writer[Symbol.asyncIterator]().next(), writeOnly);
    assert.throws(() => writer.recvSync(), writeOnly);
    assert.throws(() => writer.recvBytesSync(), writeOnly);
    assert.throws(() => writer.recvBytesIntoSync(Buffer.alloc(1)), writeOnly);
    assert.throws(() => writer.pollSync(), writeOnly);
    for (const end of Pipe()) {
      assert.deepEqual([end.readable, end.writable, end.closed], [true, true, false]);
    }
  },

  async 'arguments are checked'() {
    const [a, b] = Pipe();
    const wrong = 'wrong' as never;
    await assert.rejects(a.sendBytes('text' as never), WRONG_TYPE);
    assert.throws(() => a.sendBytesSync(new ArrayBuffer(1) as never), WRONG_TYPE);
    await assert.rejects(a.recvBytes(-1), OUT_OF_RANGE);
    await assert.rejects(a.recvBytes(1.5), OUT_OF_RANGE);
    await assert.rejects(a.recvBytes(wrong), WRONG_TYPE);
    assert.throws(() => a.recvBytesSync(-1), OUT_OF_RANGE);
    const buffer = Buffer.alloc(4);
    await assert.rejects(a.recvBytesInto(wrong), WRONG_TYPE);
    await assert.rejects(a.recvBytesInto(buffer, -1), OUT_OF_RANGE);
    await assert.rejects(a.recvBytesInto(buffer, 5), OUT_OF_RANGE);
    assert.throws(() => a.recvBytesIntoSync(buffer, 5), OUT_OF_RANGE);
    assert.throws(() => new Connection(-1), OUT_OF_RANGE);
    assert.throws(() => new Connection(wrong), WRONG_TYPE);
    assert.equal(await b.poll(), false);
  },

  async 'options are checked'() {
    const [a, b] = Pipe();
    // There is something to receive: what is not refused does not wait.
    const wrongs = [
      Number.NaN,
      { timeout: '1' },
      { timeout: null },
      { signal: {} },
      '1',
      null,
      true,
    ];
    for (const wrong of wrongs as never[]) {
      b.sendSync(1);
      await assert.rejects(a.recv(wrong), WRONG_TYPE, inspect(wrong));
      await assert.rejects(a.poll(wrong), WRONG_TYPE);
      await assert.rejects(b.send(1, wrong), WRONG_TYPE);
      assert.equal(a.recvSync(), 1);
      assert.equal(a.pollSync(), false);
    }
    for (const wrong of [Number.NaN, { timeout: '1' }, '1', null] as never[]) {
      b.sendSync(1);
      assert.throws(() => a.recvSync(wrong), WRONG_TYPE, inspect(wrong));
      assert.throws(() => a.pollSync(wrong), WRONG_TYPE);
      assert.equal(a.recvSync(), 1);
    }
  },

  async 'a value that cannot be sent leaves the connection as it was'() {
    const [a, b] = Pipe();
    const message = /^\(\) => 1 could not be cloned/;
    const code = 'ERR_TRUEFORK_NOT_CLONABLE';
    await assert.rejects(a.send({ fn: () => 1 }), { code, message });
    assert.throws(() => a.sendSync([() => 1]), { code, message });
    a.sendSync('next');
    assert.equal(await b.recv(), 'next');
  },

  async 'a timeout, and the message is not lost'() {
    for (const [receiver, sender] of pairs()) {
      for (const timeout of [10, 0, -1, -Infinity]) {
        await assert.rejects(receiver.recv({ timeout }), TIMEOUT);
        await assert.rejects(receiver.recvBytes(Infinity, timeout), TIMEOUT);
        assert.throws(() => receiver.recvSync(timeout), TIMEOUT);
        assert.throws(() => receiver.recvBytesSync(Infinity, { timeout }), TIMEOUT);
        assert.equal(await receiver.poll(timeout), false);
        assert.equal(receiver.pollSync({ timeout }), false);
      }
      await assert.rejects(receiver.recv(1), TimeoutError);
      sender.sendSync('there');
      assert.equal(await receiver.recv(2 ** 40), 'there');
      sender.sendSync('at once');
      // What is there is given even to those who do not wait.
      assert.equal(await receiver.recv(0), 'at once');
      sender.sendSync('at once');
      assert.equal(receiver.recvSync(0), 'at once');
    }
  },

  async 'a timeout in the middle of a message'() {
    const [connection, fd] = rawPair();
    const body = pattern(10);
    writeAll(fd, shortHeader(10), body.subarray(0, 4));
    await assert.rejects(connection.recvBytes(Infinity, 5), TIMEOUT);
    assert.throws(() => connection.recvBytesSync(Infinity, 5), TIMEOUT);
    writeAll(fd, body.subarray(4), shortHeader(0));
    assert.deepEqual(await connection.recvBytes(), body);
    assert.equal((await connection.recvBytes()).length, 0);
  },

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

  async 'a send that takes too long, when a part is out'() {
    for (const [receiver, sender] of pairs()) {
      const big = pattern(5 * MB);
      await assert.rejects(sender.sendBytes(big, 5), TIMEOUT);
      assert.throws(() => sender.sendBytesSync(big, 5), TIMEOUT);
      // The rest follows, for the next message to have a beginning.
      const next = sender.send('next');
      assert.ok(isPattern(await receiver.recvBytes(), big.length));
      assert.equal(await receiver.recv(), 'next');
      await next;
    }
  },

  async 'a send that takes too long, when nothing is out'() {
    const [receiver, sender] = Pipe(false);
    const first = sender.sendBytes(pattern(MB));
    await assert.rejects(sender.send('never', 5), TIMEOUT);
    const controller = new AbortController();
    const second = assert.rejects(sender.send('nor this', { signal: controller.signal }), {
      name: 'AbortError',
    });
    controller.abort();
    await second;
    const third = sender.send('third');
    assert.ok(isPattern(await receiver.recvBytes(), MB));
    assert.equal(await receiver.recv(), 'third');
    await Promise.all([first, third]);
    assert.equal(await receiver.poll(), false);
  },

  async 'a signal that is aborted ends a wait'() {
    const [a, b] = Pipe();
    const reason = new Error('the reason');
    const error = {
      name: 'AbortError',
      code: 'ABORT_ERR',
      message: 'The operation was aborted',
      cause: reason,
    };
    b.sendSync('there');
    const aborted = AbortSignal.abort(reason);
    await assert.rejects(a.recv({ signal: aborted }), error);
    await assert.rejects(a.poll({ signal: aborted }), error);
    await assert.rejects(a.send(1, { signal: aborted }), error);
    await assert.rejects(a.sendBytes(Buffer.alloc(1), { signal: aborted }), error);
    assert.equal(await b.poll(), false);
    assert.equal(await a.recv(), 'there');
    const controller = new AbortController();
    const { signal } = controller;
    const waits = [
      a.recv({ signal }),
      a.recvBytes(Infinity, { signal }),
      a.recvBytesInto(Buffer.alloc(1), 0, { signal }),
      a.poll({ timeout: 20_000, signal }),
      b.sendBytes(pattern(5 * MB), { signal }),
    ];
    const rejections = waits.slice(0, 4).map((wait) => assert.rejects(wait, error));
    // One of them gets the message after all.
    await Promise.race(waits);
    setImmediate(() => controller.abort(reason));
    await Promise.allSettled([...rejections, ...waits]);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  },

  async 'a wait that was aborted takes no message'() {
    for (const [receiver, sender] of pairs()) {
      const controller = new AbortController();
      const { signal } = controller;
      const before = receiver.recv();
      const aborted = assert.rejects(receiver.recv({ signal }), { name: 'AbortError' });
      const after = receiver.recv();
      controller.abort();
      await aborted;
      sender.sendSync(1);
      sender.sendSync(2);
      assert.deepEqual(await Promise.all([before, after]), [1, 2]);
      assert.equal(getEventListeners(signal, 'abort').length, 0);
    }
  },

  async 'a signal that was not aborted is let go of'() {
    const [a, b] = Pipe();
    const { signal } = new AbortController();
    const received = a.recv({ signal });
    await b.send('x', { signal });
    await received;
    await assert.rejects(a.recv({ signal, timeout: 1 }), TIMEOUT);
    assert.equal(await a.poll({ signal, timeout: 1 }), false);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  },

  async 'the end of the file when the last writer is closed'() {
    for (const [receiver, sender] of pairs()) {
      const waits = [receiver.recv(), receiver.recvBytes(), receiver.recv()];
      const poll = receiver.poll(20_000);
      sender.sendSync('the last');
      sender.close();
      assert.equal(await waits[0], 'the last');
      await assert.rejects(waits[1]!, EOF);
      await assert.rejects(waits[2]!, EOFError);
      assert.equal(await poll, true);
      // And so for ever.
      assert.throws(() => receiver.recvSync(), EOF);
      await assert.rejects(receiver.recv(), EOF);
      assert.equal(receiver.pollSync(), true);
      assert.equal(await receiver.poll(Infinity), true);
    }
  },

  async 'the end of the file when the last writer has ended'() {
    const ends: [() => unknown, number][] = [
      [() => {}, 0],
      [() => process.exit(4), 4],
      [() => _exit(5), 5],
      [() => kill(process.pid, 'SIGKILL'), -9],
    ];
    for (const [end, exitcode] of ends) {
      for (const duplex of [true, false]) {
        const [reader, writer] = Pipe(duplex);
        const child = started(() => {
          reader.close();
          writer.sendSync('the last');
          return end();
        });
        writer.close();
        assert.equal(await reader.recv(), 'the last');
        await assert.rejects(reader.recv(), EOF);
        assert.throws(() => reader.recvSync(), EOF);
        assert.equal(await child.join(), exitcode);
      }
    }
  },

  async 'a sender that is killed in the middle of a message'() {
    for (const duplex of [true, false]) {
      const [reader, writer] = Pipe(duplex);
      const child = started(() => {
        reader.close();
        writer.sendSync('whole');
        writer.sendBytesSync(pattern(50 * MB));
      });
      writer.close();
      assert.equal(await reader.recv(), 'whole');
      // There is no room for all of it, so that the child is in the middle.
      assert.equal(await reader.poll(Infinity), true);
      child.kill();
      await child.join();
      const waits = [reader.recvBytes(), reader.recv()];
      for (const wait of waits) await assert.rejects(wait, TRUNCATED);
      assert.throws(() => reader.recvSync(), TRUNCATED);
      assert.equal(reader.readable, false);
      reader.close();
    }
  },

  async 'a sender that is killed while the parent receives'() {
    const [reader, writer] = Pipe();
    const child = started(() => {
      for (;;) writer.sendBytesSync(pattern(50 * MB));
    });
    writer.close();
    await reader.recvBytes();
    setImmediate(() => child.kill());
    const receiveAll = async (): Promise<never> => {
      for (;;) assert.ok(isPattern(await reader.recvBytes(), 50 * MB));
    };
    await assert.rejects(receiveAll(), { code: /^ERR_TRUEFORK_(TRUNCATED|EOF)$/ });
    assert.equal(await child.join(), -9);
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

  async 'messages without bytes'() {
    for (const [receiver, sender] of pairs()) {
      for (let i = 0; i < 3; i++) sender.sendBytesSync(new Uint8Array());
      await sender.send('');
      await sender.send(Buffer.alloc(0));
      assert.equal((await receiver.recvBytes()).length, 0);
      assert.equal(receiver.recvBytesSync().length, 0);
      assert.equal(await receiver.recvBytesInto(Buffer.alloc(0)), 0);
      assert.equal(await receiver.recv(), '');
      assert.deepEqual(await receiver.recv(), Buffer.alloc(0));
      assert.equal(await receiver.poll(), false);
    }
  },

  async 'messages of 200 MB'() {
    const size = 200 * MB;
    const [ours, theirs] = Pipe();
    const child = started(async () => {
      ours.close();
      assert.ok(isPattern(theirs.recvBytesSync(), size));
      theirs.sendBytesSync(pattern(size));
      assert.ok(isPattern((await theirs.recv()) as Buffer, size));
      await theirs.send(pattern(size).toString('latin1'));
    });
    theirs.close();
    await ours.sendBytes(pattern(size));
    assert.ok(isPattern(await ours.recvBytes(), size));
    ours.sendSync(pattern(size));
    const text = ours.recvSync() as string;
    assert.ok(isPattern(Buffer.from(text, 'latin1'), size));
    await assert.rejects(ours.recv(), EOF);
    await assertGood(child);
  },

  async 'both send more than there is room for at once'() {
    const [a, b] = Pipe();
    const sizes = [5 * MB, 1, 3 * MB];
    const exchange = async (connection: Connection): Promise<void> => {
      const sends = sizes.map((size) => connection.sendBytes(pattern(size)));
      for (const size of sizes) assert.ok(isPattern(await connection.recvBytes(), size));
      await Promise.all(sends);
    };
    const child = started(() => exchange(b));
    await exchange(a);
    await assertGood(child);
  },

  async '100,000 small messages, none merged or split'() {
    const count = 100_000;
    const message = (i: number): string => `${i}`.padStart(1 + (i % 40), '.');
    for (const duplex of [true, false]) {
      const [reader, writer] = Pipe(duplex);
      const child = started(async () => {
        reader.close();
        for (let i = 0; i < count; i++) {
          if (i % 1000 < 500) writer.sendSync(message(i));
          else await writer.send(message(i));
        }
      });
      writer.close();
      for (let i = 0; i < count; i++) {
        const received = i % 700 < 350 ? reader.recvSync() : await reader.recv();
        assert.equal(received, message(i));
      }
      await assert.rejects(reader.recv(), EOF);
      await assertGood(child);
    }
  },

  async 'a longer message than wanted'() {
    const [a, b] = Pipe();
    b.sendBytesSync(pattern(10));
    b.sendBytesSync(pattern(0));
    assert.equal((await a.recvBytes(10)).length, 10);
    assert.equal(a.recvBytesSync(0).length, 0);
    b.sendBytesSync(pattern(11));
    b.sendBytesSync(pattern(1));
    await assert.rejects(a.recvBytes(10), BAD_LENGTH);
    // Nobody knows where the next message begins.
    await assert.rejects(a.recvBytes(), BAD_LENGTH);
    assert.throws(() => a.recvSync(), BAD_LENGTH);
    assert.deepEqual([a.readable, a.writable, a.closed], [false, true, false]);
    a.sendSync('still');
    assert.equal(b.recvSync(), 'still');
  },

  async 'into a buffer'() {
    const [a, b] = Pipe();
    const buffer = Buffer.alloc(8, '.');
    b.sendBytesSync(Buffer.from('abc'));
    assert.equal(await a.recvBytesInto(buffer, 2), 3);
    b.sendBytesSync(Buffer.from('de'));
    assert.equal(a.recvBytesIntoSync(buffer, 6), 2);
    assert.equal(String(buffer), '..abc.de');
    const tooShort = (error: BufferTooShort): boolean => {
      assert.equal(error.name, 'BufferTooShort');
      assert.equal(error.code, 'ERR_TRUEFORK_BUFFER_TOO_SHORT');
      assert.match(error.message, /has 4 bytes/);
      assert.equal(String(error.bytes), 'long');
      return true;
    };
    b.sendBytesSync(Buffer.from('long'));
    await assert.rejects(a.recvBytesInto(buffer, 5), tooShort);
    b.sendBytesSync(Buffer.from('long'));
    assert.throws(() => a.recvBytesIntoSync(new Uint8Array(3)), tooShort);
    assert.equal(String(buffer), '..abc.de');
    b.sendBytesSync(Buffer.from('next'));
    assert.equal(await a.recvBytesInto(buffer), 4);
    assert.equal(String(buffer), 'nextc.de');
    // The bytes of the view are meant, not those behind it.
    const view = new Uint8Array(new ArrayBuffer(10), 4, 2);
    b.sendBytesSync(Buffer.from('xy'));
    assert.equal(await a.recvBytesInto(view), 2);
    assert.equal(String(Buffer.from(view.buffer)), '\0\0\0\0xy\0\0\0\0');
  },

  async 'poll() sees and takes nothing'() {
    for (const [receiver, sender] of pairs()) {
      assert.equal(await receiver.poll(), false);
      assert.equal(receiver.pollSync(), false);
      const polls = [receiver.poll(20_000), receiver.poll(20_000), receiver.poll(Infinity)];
      sender.sendSync('x');
      assert.deepEqual(await Promise.all(polls), [true, true, true]);
      assert.equal(receiver.pollSync(), true);
      assert.equal(receiver.pollSync(Infinity), true);
      assert.equal(await receiver.recv(), 'x');
      assert.equal(receiver.pollSync(), false);
    }
  },

  async 'poll() and recv() at once'() {
    const [a, b] = Pipe();
    const received = a.recv();
    const poll = a.poll(20_000);
    b.sendSync(1);
    assert.equal(await received, 1);
    // Whether it saw the first message or only sees this one.
    b.sendSync(2);
    assert.equal(await poll, true);
    assert.equal(await a.recv(), 2);
  },

  async 'blocking waits outlive signals'() {
    let signals = 0;
    process.on('SIGUSR2', () => signals++);
    const { pid } = process;
    const [reader, writer] = Pipe(false);
    const child = started(() => {
      for (let i = 0; i < 100; i++) kill(pid, 'SIGUSR2');
      writer.sendSync('after them');
      for (let i = 0; i < 100; i++) kill(pid, 'SIGUSR2');
      writer.sendSync('and again');
    });
    assert.equal(reader.recvSync(), 'after them');
    assert.equal(reader.pollSync(Infinity), true);
    assert.equal(reader.recvSync(), 'and again');
    await assertGood(child);
    await until(() => signals > 0);
  },

  async 'what waits keeps the loop alive, what is merely open does not'() {
    const [reader, writer] = Pipe(false);
    const idle = started(async () => {
      writer.close();
      await reader.recv(1).catch(() => {});
      assert.equal(await reader.poll(1), false);
    });
    assert.equal(await idle.join(), 0);
    const waiting = started(async () => {
      writer.close();
      await reader.recv();
      process.exitCode = 7;
    });
    await turn();
    writer.sendSync('at last');
    assert.equal(await waiting.join(), 7);
  },

  async 'what a child has not sent when its target returns is sent'() {
    const [reader, writer] = Pipe(false);
    const child = started(() => {
      reader.close();
      void writer.sendBytes(pattern(5 * MB));
      void writer.send('the end');
      writer.close();
    });
    writer.close();
    assert.ok(isPattern(await reader.recvBytes(), 5 * MB));
    assert.equal(await reader.recv(), 'the end');
    await assert.rejects(reader.recv(), EOF);
    await assertGood(child);
  },

  async 'close() lets out what was sent'() {
    for (const [receiver, sender] of pairs()) {
      const descriptors = countDescriptors();
      const sends = [sender.sendBytes(pattern(2 * MB)), sender.send('second')];
      sender.close();
      assert.equal(sender.closed, true);
      await assert.rejects(sender.send('third'), CLOSED);
      assert.ok(isPattern(await receiver.recvBytes(), 2 * MB));
      assert.equal(await receiver.recv(), 'second');
      await assert.rejects(receiver.recv(), EOF);
      await Promise.all(sends);
      assert.equal(countDescriptors(), descriptors - 1);
    }
  },

  async 'close() rejects those who wait to receive'() {
    for (const [receiver] of pairs()) {
      const waits = [
        receiver.recv(),
        receiver.recvBytes(),
        receiver.recvBytesInto(Buffer.alloc(1)),
        receiver.poll(20_000),
        receiver[Symbol.asyncIterator]().next(),
      ];
      const rejections = waits.map((wait) => assert.rejects(wait, CLOSED));
      receiver.close();
      await Promise.all(rejections);
    }
  },

  async 'a connection that is closed'() {
    const descriptors = countDescriptors();
    const [a, b] = Pipe();
    b.sendSync('never received');
    a.close();
    a.close();
    a[Symbol.dispose]();
    assert.equal(a.closed, true);
    assert.equal(b.closed, false);
    assert.throws(() => a.fileno(), CLOSED);
    assert.throws(() => a.sendSync(1), CLOSED);
    assert.throws(() => a.recvSync(), CLOSED);
    assert.throws(() => a.pollSync(), CLOSED);
    assert.throws(() => a.recvBytesIntoSync(Buffer.alloc(1)), CLOSED);
    await assert.rejects(a.send(1), CLOSED);
    await assert.rejects(a.sendBytes(Buffer.alloc(1)), CLOSED);
    await assert.rejects(a.recv(), CLOSED);
    await assert.rejects(a.recvBytes(), CLOSED);
    await assert.rejects(a.poll(), CLOSED);
    b.close();
    assert.equal(countDescriptors(), descriptors);
    // Nor does a second close() close what has got its number since.
    const [c, d] = Pipe();
    a.close();
    b.close();
    c.sendSync('x');
    assert.equal(d.recvSync(), 'x');
  },

  async 'scoped use'() {
    const descriptors = countDescriptors();
    {
      const [a, b] = Pipe();
      using first = a;
      using second = b;
      first.sendSync(1);
      assert.equal(second.recvSync(), 1);
    }
    assert.equal(countDescriptors(), descriptors);
  },

  async 'to send where nobody receives'() {
    for (const [receiver, sender] of pairs()) {
      const sends = [sender.sendBytes(pattern(5 * MB)), sender.send('x')];
      const rejections = sends.map((send) => assert.rejects(send, BROKEN_PIPE));
      await turn();
      receiver.close();
      await Promise.all(rejections);
      await assert.rejects(sender.send(1), { code: /^(EPIPE|ERR_TRUEFORK_TRUNCATED)$/ });
      sender.close();
    }
    for (const [receiver, sender] of pairs()) {
      receiver.close();
      await assert.rejects(sender.send(1), BROKEN_PIPE);
      assert.throws(() => sender.sendSync(1), BROKEN_PIPE);
      sender.close();
    }
  },

  async 'a receiver that is killed while the parent sends'() {
    const [ours, theirs] = Pipe();
    const child = started(() => {
      ours.close();
      for (;;) theirs.recvBytesSync();
    });
    theirs.close();
    await ours.sendBytes(pattern(MB));
    const sending = assert.rejects(async () => {
      for (;;) await ours.sendBytes(pattern(MB));
    }, BROKEN_PIPE);
    setImmediate(() => child.kill());
    await sending;
    assert.throws(() => ours.recvSync(), EOF);
    assert.equal(await child.join(), -9);
  },

  async 'what was sent before the end arrives, though its sender had more to receive'() {
    const [a, b] = Pipe();
    a.sendSync('never received');
    b.sendSync('the last');
    b.close();
    assert.equal(await a.recv(), 'the last');
    await assert.rejects(a.recv(), EOF);
    await assert.rejects(a.send(1), BROKEN_PIPE);
  },

  async 'the values that come, one after the other'() {
    const [reader, writer] = Pipe(false);
    const child = started(async () => {
      reader.close();
      for (let i = 0; i < 1000; i++) await writer.send(i);
    });
    writer.close();
    const values: unknown[] = [];
    for await (const value of reader) values.push(value);
    assert.deepEqual(
      values,
      Array.from({ length: 1000 }, (_, i) => i),
    );
    await assertGood(child);
    for await (const value of reader) assert.fail(String(value));
  },

  async 'to stop in the middle of them loses nothing'() {
    const [a, b] = Pipe();
    for (let i = 0; i < 5; i++) b.sendSync(i);
    for await (const value of a) if (value === 2) break;
    assert.equal(a.closed, false);
    assert.equal(await a.recv(), 3);
    b.close();
    const rest: unknown[] = [];
    for await (const value of a) rest.push(value);
    assert.deepEqual(rest, [4]);
  },

  async 'an end in the middle of a message is no end of the values'() {
    const [connection, fd] = rawPair();
    writeAll(fd, shortHeader(9), Buffer.from('half'));
    close(fd);
    await assert.rejects(async () => {
      for await (const value of connection) assert.fail(String(value));
    }, TRUNCATED);
  },

  async 'many who wait get the messages in their order'() {
    const count = 5000;
    for (const [receiver, sender] of pairs()) {
      const received: unknown[] = [];
      const waits = Array.from({ length: count }, async (_, i) => {
        const value = await receiver.recv();
        received.push(value);
        assert.equal(value, i);
      });
      for (let i = 0; i < count; i++) await sender.send(i);
      await Promise.all(waits);
      assert.equal(received.length, count);
    }
  },

  async 'who blocks waits behind those who came before'() {
    const [a, b] = Pipe();
    const first = a.recv();
    const second = a.recv();
    for (let i = 1; i <= 4; i++) b.sendSync(i);
    assert.equal(a.recvSync(), 3);
    assert.equal(a.recvSync(0), 4);
    assert.deepEqual(await Promise.all([first, second]), [1, 2]);
  },

  async 'who blocks to send waits behind those who came before'() {
    const [reader, writer] = Pipe(false);
    const first = writer.sendBytes(pattern(3 * MB));
    const child = started(async () => {
      writer.close();
      assert.ok(isPattern(await reader.recvBytes(), 3 * MB));
      assert.equal(await reader.recv(), 'second');
      await assert.rejects(reader.recv(), EOF);
    });
    writer.sendSync('second');
    await first;
    writer.close();
    await assertGood(child);
  },

  async 'the loop has its turn though messages keep coming'() {
    const [reader, writer] = Pipe(false);
    const child = started(() => {
      try {
        for (;;) writer.sendSync('more');
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'EPIPE');
      }
    });
    writer.close();
    const timer = { isOver: false };
    setTimeout(() => (timer.isOver = true), 1);
    while (!timer.isOver) assert.equal(await reader.recv(), 'more');
    reader.close();
    child.kill();
    await child.join();
  },

  async 'those who wait in the parent do not wait in the child'() {
    const [a, b] = Pipe();
    const { pid } = process;
    let woken = 0;
    const waits = [a.recv(), a.recv(), a.poll(Infinity)].map((wait) =>
      wait.then((value) => {
        woken++;
        assert.equal(process.pid, pid);
        return value;
      }),
    );
    const child = started(async () => {
      b.sendSync('for the child');
      assert.equal(await a.recv(), 'for the child');
      assert.throws(() => a.recvSync(0), TIMEOUT);
      await sleep(5);
      assert.equal(woken, 0);
    });
    // Blocks the loop, which would take the message.
    assert.equal(child.joinSync(), 0);
    await turn();
    assert.equal(woken, 0);
    b.sendSync(1);
    b.sendSync(2);
    assert.deepEqual(await Promise.all(waits.slice(0, 2)), [1, 2]);
    b.sendSync(3);
    assert.equal(await waits[2], true);
  },

  async 'nor where the child goes on with the loop of the parent'() {
    const [a, b] = Pipe();
    const { pid } = process;
    const wait = a.recv().then((value) => {
      assert.equal(process.pid, pid);
      return value;
    });
    const child = fork();
    if (child === 0) {
      b.sendSync('for the child');
      assert.equal(await a.recv(), 'for the child');
      return;
    }
    assert.equal(waitpid(child)!.exitcode, 0);
    b.sendSync('for the parent');
    assert.equal(await wait, 'for the parent');
  },

  async 'a fork while half of a message is in'() {
    const [connection, fd] = rawPair();
    writeAll(fd, shortHeader(4), Buffer.from('ha'));
    const wait = connection.recvBytes();
    const torn = { code: 'ERR_TRUEFORK_TRUNCATED', message: /its parent was in the middle/ };
    const child = started(async () => {
      await assert.rejects(connection.recvBytes(), torn);
      assert.throws(() => connection.recvSync(), torn);
      assert.equal(connection.readable, false);
      connection.sendBytesSync(Buffer.from('x'));
    });
    assert.equal(child.joinSync(), 0);
    writeAll(fd, Buffer.from('lf'));
    assert.equal(String(await wait), 'half');
    assert.equal(read(fd, Buffer.alloc(10)), 5);
  },

  async 'a fork while half of a message is out'() {
    const [reader, writer] = Pipe(false);
    const big = writer.sendBytes(pattern(MB));
    const next = writer.send('next');
    const torn = { code: 'ERR_TRUEFORK_TRUNCATED', message: /its parent was in the middle/ };
    const child = started(async () => {
      await assert.rejects(writer.send('torn'), torn);
      assert.throws(() => writer.sendSync('torn'), torn);
    });
    assert.equal(child.joinSync(), 0);
    assert.ok(isPattern(await reader.recvBytes(), MB));
    assert.equal(await reader.recv(), 'next');
    await Promise.all([big, next]);
    assert.equal(await reader.poll(), false);
  },

  async 'to close in a child is its own affair'() {
    const [a, b] = Pipe();
    const wait = a.recv();
    const child = started(() => {
      a.close();
      b.close();
      assert.equal(a.closed, true);
      assert.throws(() => a.recvSync(), CLOSED);
    });
    await assertGood(child);
    assert.equal(a.closed, false);
    b.sendSync('x');
    assert.equal(await wait, 'x');
  },

  async 'there is no end of the file while a child has a copy'() {
    const [reader, writer] = Pipe(false);
    const [ours, theirs] = Pipe();
    const child = started(() => {
      ours.close();
      theirs.recvSync();
      writer.sendSync('from the copy');
      writer.close();
      theirs.sendSync('closed');
      theirs.recvSync();
    });
    theirs.close();
    writer.close();
    await assert.rejects(reader.recv(5), TIMEOUT);
    ours.sendSync('go on');
    assert.equal(await reader.recv(), 'from the copy');
    await assert.rejects(reader.recv(), EOF);
    // It was not the end of the child.
    assert.equal(await ours.recv(), 'closed');
    assert.deepEqual(activeChildren(), [child]);
    ours.sendSync('end');
    await assertGood(child);
  },

  async 'nobody can receive once the last copy is closed'() {
    const [reader, writer] = Pipe(false);
    const [ours, theirs] = Pipe();
    const child = started(() => {
      ours.close();
      theirs.recvSync();
      reader.close();
      theirs.sendSync('closed');
      theirs.recvSync();
    });
    theirs.close();
    reader.close();
    await writer.send('for the copy');
    await ours.send('close');
    assert.equal(await ours.recv(), 'closed');
    await assert.rejects(writer.send('for nobody'), BROKEN_PIPE);
    await ours.send('end');
    await assertGood(child);
  },

  async 'a thousand pipes leave no descriptor'() {
    const descriptors = countDescriptors();
    const uses = Object.values(USES);
    for (let i = 0; i < 1000; i++) {
      const [a, b] = Pipe();
      await uses[i % uses.length]!(a, b);
      a.close();
      b.close();
    }
    assert.equal(countDescriptors(), descriptors);
  },

  async 'pipes for which there is no descriptor'() {
    const descriptors = countDescriptors();
    const all: Connection[] = [];
    if (spawnSync('prlimit', ['--pid', `${process.pid}`, '--nofile=200:']).status !== 0) return;
    for (const duplex of [true, false]) {
      assert.throws(
        () => {
          for (;;) all.push(...Pipe(duplex));
        },
        { code: 'EMFILE', message: `${duplex ? 'socketpair' : 'pipe'} EMFILE` },
      );
      for (const connection of all.splice(0)) connection.close();
      assert.equal(countDescriptors(), descriptors);
    }
  },

  'garbage closes its descriptor': {
    async run() {
      const descriptors = countDescriptors();
      const drop = async (use: (a: Connection, b: Connection) => unknown): Promise<void> => {
        for (let i = 0; i < 50; i++) await use(...Pipe());
      };
      for (const [name, use] of Object.entries(USES)) {
        await drop(use);
        await collectUntil(() => countDescriptors() <= descriptors + 4).catch(() => {
          assert.fail(`${name}: ${countDescriptors() - descriptors} descriptors are left of 100`);
        });
      }
    },
    options: { nodeArgs: ['--expose-gc'] },
  },

  'who waits is no garbage': {
    async run() {
      const received: unknown[] = [];
      const fds = Array.from({ length: 20 }, (_, i) => {
        const [connection, fd] = rawPair();
        void connection.recvBytes().then((bytes) => received.push([i, String(bytes)]));
        return fd;
      });
      const { gc } = globalThis as unknown as { gc: () => void };
      for (let i = 0; i < 5; i++) {
        gc();
        await turn();
      }
      for (const [i, fd] of fds.entries()) writeAll(fd, shortHeader(2), Buffer.from(`${i + 10}`));
      await until(() => received.length === fds.length);
      assert.deepEqual(
        new Map(received as [number, string][]),
        new Map(fds.map((_, i) => [i, `${i + 10}`])),
      );
    },
    options: { nodeArgs: ['--expose-gc'] },
  },

  'garbage does not disturb what has got its number': {
    async run() {
      const { gc } = globalThis as unknown as { gc: () => void };
      // Served without blocking; then a message comes that nobody waits for, after
      // which nothing holds the two but this function.
      const useAndDrop = async (): Promise<void> => {
        const [a, b] = Pipe();
        const wait = a.recv();
        await turn();
        b.sendSync(1);
        await wait;
        b.sendSync(2);
        await turn();
      };
      for (let round = 0; round < 300; round++) {
        await Promise.all(Array.from({ length: 5 }, useAndDrop));
        gc();
        const descriptors = countDescriptors();
        let turns = 0;
        // Until the garbage is closed, if there is any.
        while (countDescriptors() === descriptors && turns < 5) {
          turns++;
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
        const fresh = Array.from({ length: 10 }, () => Pipe());
        const waits = fresh.map(([a]) => a.recv(10_000));
        await turn();
        await turn();
        for (const [, b] of fresh) b.sendSync(round);
        for (const wait of waits) assert.equal(await wait, round);
        for (const ends of fresh) for (const end of ends) end.close();
      }
    },
    options: { nodeArgs: ['--expose-gc'] },
  },

  async 'a connection on any descriptor'() {
    const [reader, writer] = pipe();
    const receiver = new Connection(reader, { writable: false });
    const sender = new Connection(dup2(writer, 120), { readable: false });
    close(writer);
    assert.equal(sender.fileno(), 120);
    assert.equal(receiver.fileno(), reader);
    assert.deepEqual([receiver.readable, receiver.writable], [true, false]);
    sender.sendSync('x');
    assert.equal(receiver.recvSync(), 'x');
    sender.close();
    assert.throws(() => receiver.recvSync(), EOF);
    assert.throws(() => new Connection(writer), { code: 'EBADF', syscall: 'fcntl' });
  },

  async 'all who have a copy see that there is a message'() {
    const [reader, writer] = Pipe(false);
    const watchers = Array.from({ length: 8 }, () =>
      started(async () => {
        writer.close();
        assert.equal(await reader.poll(Infinity), true);
        assert.equal(reader.pollSync(), true);
      }),
    );
    writer.sendSync('for one of them');
    for (const watcher of watchers) await assertGood(watcher);
    assert.equal(await reader.recv(), 'for one of them');
    assert.equal(children().size, 0);
  },

  async 'a program may end with connections that it has waited for'() {
    const [a, b] = Pipe();
    const wait = assert.rejects(a.recv(), EOF);
    await turn();
    b.close();
    await wait;
    const [c, d] = Pipe();
    await assert.rejects(c.recv(1), TIMEOUT);
    d.sendSync('never received');
    process.once('exit', () => assert.equal(a.closed || c.closed, false));
  },

  async 'who has blocked does not keep the loop alive afterwards'() {
    const [a, b] = Pipe();
    const first = a.recv();
    b.sendSync(1);
    b.sendSync(2);
    assert.equal(a.recvSync(), 2);
    assert.equal(await first, 1);
    // They are no garbage until then.
    process.once('exit', () => assert.equal(a.closed || b.closed, false));
  },
};
