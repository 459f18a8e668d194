// Values that can be sent and received, and arguments of the methods.
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { type BufferTooShort, Connection, Pipe } from 'truefork';
import { close, dup2, pipe } from 'truefork/posix';
import type { Scenarios } from '../support/scenarios.js';
import { assertGood, BAD_LENGTH, EOF, misuse, pairs, pattern, started } from './support.js';

const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

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
};
