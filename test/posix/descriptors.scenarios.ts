// Pipes, socket pairs and what is done with descriptors.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { inspect } from 'node:util';
import { Connection, Process } from 'truefork';
import { _exit, close, dup2, pipe, read, socketpair, write } from 'truefork/posix';
import type { Scenarios } from '../support/scenarios.js';
import {
  assertGood,
  failure,
  forked,
  hear,
  isCloseOnExec,
  OUT_OF_RANGE,
  say,
  WRONG_TYPE,
} from './support.js';

/** More than any process has. */
const NO_FD = 2 ** 31 - 1;

export const scenarios: Scenarios = {
  async 'what is written can be read'() {
    for (const [reader, writer] of [pipe(), socketpair()]) {
      const bytes = Buffer.from('0123456789');
      assert.equal(write(writer, bytes), 10);
      const buffer = Buffer.alloc(20, '.');
      assert.equal(read(reader, buffer, 0, 4), 4);
      assert.equal(read(reader, buffer, 10), 6);
      assert.equal(buffer.toString(), '0123......456789....');
      assert.equal(write(writer, bytes, 8), 2);
      assert.equal(write(writer, bytes, 2, 3), 3);
      assert.equal(read(reader, buffer), 5);
      assert.equal(buffer.toString('latin1', 0, 5), '89234');
      close(writer);
      assert.equal(read(reader, buffer), 0);
      assert.equal(read(reader, buffer), 0);
      close(reader);
    }
  },

  async 'a part of a bigger buffer is not left'() {
    const [reader, writer] = pipe();
    const memory = new Uint8Array(30).fill(1);
    const view = new Uint8Array(memory.buffer, 10, 10);
    say(writer, 'x'.repeat(30));
    assert.equal(read(reader, view), 10);
    assert.equal(read(reader, view, 10), 0);
    assert.deepEqual([...memory.subarray(0, 10)], Array(10).fill(1));
    assert.deepEqual([...memory.subarray(20)], Array(10).fill(1));
    assert.equal(write(writer, view.subarray(10)), 0);
    assert.equal(write(writer, view, 10), 0);
    assert.equal(read(reader, Buffer.alloc(100)), 20);
  },

  async 'both ends of a socket pair read and write'() {
    const [a, b] = socketpair();
    say(a, 'to b');
    say(b, 'to a');
    const buffer = Buffer.alloc(10);
    assert.equal(buffer.toString('utf8', 0, read(a, buffer)), 'to a');
    assert.equal(buffer.toString('utf8', 0, read(b, buffer)), 'to b');
  },

  async 'what does not block says EAGAIN'() {
    const [reader, writer] = pipe();
    const connections = [new Connection(reader), new Connection(writer)];
    assert.throws(() => read(reader, Buffer.alloc(1)), failure('read', 'EAGAIN'));
    const chunk = Buffer.alloc(50_000);
    let written = 0;
    assert.throws(
      () => {
        for (;;) written += write(writer, chunk);
      },
      failure('write', 'EAGAIN'),
    );
    // The last write was a partial one.
    assert.ok(written > 0 && written % chunk.length !== 0);
    connections.forEach((connection) => connection.close());
  },

  async 'descriptors that are not open'() {
    const [reader, writer] = pipe();
    assert.throws(() => write(reader, Buffer.alloc(1)), failure('write', 'EBADF'));
    assert.throws(() => read(writer, Buffer.alloc(1)), failure('read', 'EBADF'));
    close(reader);
    assert.throws(() => close(reader), failure('close', 'EBADF'));
    assert.throws(() => read(reader, Buffer.alloc(1)), failure('read', 'EBADF'));
    assert.throws(() => read(reader, Buffer.alloc(0)), failure('read', 'EBADF'));
    assert.throws(() => write(NO_FD, Buffer.alloc(1)), failure('write', 'EBADF'));
    assert.throws(() => dup2(reader, 100), failure('dup2', 'EBADF'));
    assert.throws(() => dup2(writer, NO_FD), failure('dup2', 'EBADF'));
    assert.throws(() => new Connection(NO_FD), failure('fcntl', 'EBADF'));
    close(writer);
  },

  async 'arguments of reads and writes'() {
    const [reader, writer] = pipe();
    const buffer = Buffer.alloc(10);
    const calls = { read: read.bind(null, reader), write: write.bind(null, writer) };
    for (const call of Object.values(calls)) {
      for (const wrong of ['abc', new ArrayBuffer(8), new Float64Array(1), [1], {}, 7]) {
        assert.throws(() => call(wrong as Buffer), WRONG_TYPE, inspect(wrong));
      }
      assert.throws(() => call(undefined as unknown as Buffer), WRONG_TYPE);
      assert.throws(() => call(null as unknown as Buffer), WRONG_TYPE);
      assert.throws(() => call(buffer, -1), OUT_OF_RANGE);
      assert.throws(() => call(buffer, 11), OUT_OF_RANGE);
      assert.throws(() => call(buffer, 1.5), OUT_OF_RANGE);
      assert.throws(() => call(buffer, 5, 6), OUT_OF_RANGE);
      assert.throws(() => call(buffer, 0, -1), OUT_OF_RANGE);
      assert.throws(() => call(buffer, 0, Infinity), OUT_OF_RANGE);
      assert.throws(() => call(buffer, '0' as unknown as number), WRONG_TYPE);
      assert.throws(() => call(buffer, 0, null as unknown as number), WRONG_TYPE);
    }
    for (const fd of [-1, 1.5, 2 ** 31, Number.NaN]) {
      assert.throws(() => read(fd, buffer), OUT_OF_RANGE);
      assert.throws(() => close(fd), OUT_OF_RANGE);
      assert.throws(() => dup2(0, fd), OUT_OF_RANGE);
    }
    assert.throws(() => close(undefined as unknown as number), WRONG_TYPE);
    assert.throws(() => close({ fd: 1 } as unknown as number), WRONG_TYPE);
    assert.throws(() => _exit('1' as unknown as number), WRONG_TYPE);
    assert.throws(() => _exit(0.5), OUT_OF_RANGE);
  },

  async 'to write where nobody reads is an error, not the end'() {
    const writeToNobody = (): void => {
      for (const [reader, writer] of [pipe(), socketpair()]) {
        close(reader);
        assert.throws(() => write(writer, Buffer.from('x')), failure('write', 'EPIPE'));
        close(writer);
      }
    };
    writeToNobody();
    assertGood(forked(writeToNobody));
    const process = new Process({ target: writeToNobody });
    process.start();
    assert.equal(await process.join(), 0);
  },

  async 'nor is it where the parent listens for SIGPIPE'() {
    process.on('SIGPIPE', () => {});
    const child = new Process({
      target() {
        const [reader, writer] = pipe();
        close(reader);
        assert.throws(() => write(writer, Buffer.from('x')), failure('write', 'EPIPE'));
      },
    });
    child.start();
    assert.equal(await child.join(), 0);
  },

  async 'another number for a descriptor'() {
    const [reader, writer] = pipe();
    const [other] = pipe();
    assert.equal(dup2(writer, writer), writer);
    assert.equal(dup2(writer, 100), 100);
    close(writer);
    say(100, 'by another number');
    // A descriptor that was open there is closed.
    assert.equal(dup2(100, other), other);
    close(100);
    say(other, '.');
    close(other);
    assert.equal(hear(reader), 'by another number.');
  },

  async 'programs that are executed inherit only copies'() {
    const [reader, writer] = pipe();
    const [a, b] = socketpair();
    for (const fd of [reader, writer, a, b]) assert.equal(isCloseOnExec(fd), true);
    assert.equal(isCloseOnExec(dup2(reader, 100)), false);
    const list = execFileSync('sh', ['-c', 'ls /proc/$$/fd'], { encoding: 'utf8' }).split('\n');
    assert.ok(list.includes('100'));
    for (const fd of [reader, writer, a, b]) assert.equal(list.includes(String(fd)), false);
    // Forked children inherit them all.
    assertGood(forked(() => say(writer, 'x')));
    assert.equal(read(reader, Buffer.alloc(2)), 1);
  },
};
