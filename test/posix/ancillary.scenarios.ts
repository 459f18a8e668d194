// Descriptors that are sent through Unix sockets.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from 'truefork';
import { close, dup, pipe, read, recvFds, sendFds, socketpair } from 'truefork/posix';
import { countDescriptors, until } from '../support/observe.js';
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

const MAX_DESCRIPTORS = 253;

function manyPipes(count: number): [number[], number[]] {
  const pipes = Array.from({ length: count }, () => pipe());
  return [pipes.map(([reader]) => reader), pipes.map(([, writer]) => writer)];
}

function closeAll(...lists: number[][]): void {
  for (const fd of lists.flat()) close(fd);
}

function limitDescriptors(limit: number): boolean {
  return spawnSync('prlimit', ['--pid', `${process.pid}`, `--nofile=${limit}:`]).status === 0;
}

export const scenarios: Scenarios = {
  async 'a descriptor is sent to another process, with bytes'() {
    const before = countDescriptors();
    const [a, b] = socketpair();
    const child = forked(() => {
      close(a);
      const buffer = Buffer.alloc(10);
      const { length, fds } = recvFds(b, buffer);
      assert.equal(buffer.toString('utf8', 0, length), 'take it');
      assert.equal(fds.length, 1);
      assert.ok(isCloseOnExec(fds[0]!));
      say(fds[0]!, 'hello');
    });
    close(b);
    const [reader, writer] = pipe();
    assert.equal(sendFds(a, [writer], Buffer.from('take it')), 7);
    close(writer);
    assert.equal(hear(reader), 'hello');
    assertGood(child);
    closeAll([a, reader]);
    await until(() => countDescriptors() <= before);
  },

  async 'as many as the kernel takes, in the order in which they were given'() {
    const before = countDescriptors();
    const [a, b] = socketpair();
    const [readers, writers] = manyPipes(MAX_DESCRIPTORS);
    assert.equal(sendFds(a, writers), 1);
    closeAll(writers);
    const { length, fds } = recvFds(b, Buffer.alloc(10));
    assert.equal(length, 1);
    assert.equal(fds.length, MAX_DESCRIPTORS);
    for (const [i, fd] of fds.entries()) {
      say(fd, `${i}`);
      close(fd);
      assert.equal(hear(readers[i]!), `${i}`);
    }
    assert.throws(() => sendFds(a, Array(MAX_DESCRIPTORS + 1).fill(a)), OUT_OF_RANGE);
    closeAll([a, b], readers);
    await until(() => countDescriptors() <= before);
  },

  async 'none, and bytes alone'() {
    const [a, b] = socketpair();
    sendFds(a, [], Buffer.from('only bytes'));
    const buffer = Buffer.alloc(20);
    assert.deepEqual(recvFds(b, buffer), { length: 10, fds: [] });
    say(a, 'written');
    assert.deepEqual(recvFds(b, buffer, 0), { length: 7, fds: [] });
    close(a);
    assert.deepEqual(recvFds(b, buffer), { length: 0, fds: [] });
  },

  async 'more than the receiver wants are closed'() {
    const [a, b] = socketpair();
    const [readers, writers] = manyPipes(3);
    sendFds(a, writers);
    closeAll(writers);
    const before = countDescriptors();
    assert.throws(() => recvFds(b, Buffer.alloc(1), 2), failure('recvmsg', 'EMSGSIZE'));
    await until(() => countDescriptors() <= before);
    for (const reader of readers) assert.equal(hear(reader), '');
  },

  async 'no room for them in the receiver'() {
    if (!limitDescriptors(100)) return;
    const [a, b] = socketpair();
    const [readers, writers] = manyPipes(3);
    sendFds(a, writers);
    closeAll(writers);
    const plugs: number[] = [];
    const fill = (): void => {
      for (;;) plugs.push(dup(a));
    };
    assert.throws(fill, failure('dup', 'EMFILE'));
    close(plugs.pop()!); // room for one of the three
    assert.throws(() => recvFds(b, Buffer.alloc(1)), failure('recvmsg', 'EMFILE'));
    closeAll(plugs);
    const count = countDescriptors();
    for (const reader of readers) assert.equal(hear(reader), '');
    // The socket goes on.
    sendFds(a, [readers[0]!]);
    const { fds } = recvFds(b, Buffer.alloc(1));
    assert.equal(countDescriptors(), count + 1);
    closeAll(fds);
  },

  async 'what is never received is closed with the socket'() {
    const before = countDescriptors();
    const [a, b] = socketpair();
    const [reader, writer] = pipe();
    sendFds(a, [writer]);
    close(writer);
    closeAll([a, b]);
    assert.equal(hear(reader), '');
    close(reader);
    await until(() => countDescriptors() <= before);
  },

  async 'a partial send has sent the descriptors'() {
    const [a, b] = socketpair();
    const connection = new Connection(a); // does not block any more
    assert.equal(connection.fileno(), a);
    const [reader, writer] = pipe();
    const much = Buffer.alloc(4_000_000);
    const sent = sendFds(a, [writer], much);
    assert.ok(sent > 0 && sent < much.length, `${sent}`);
    assert.throws(() => sendFds(a, [writer], much), failure('sendmsg', 'EAGAIN'));
    close(writer);
    const fds: number[] = [];
    let received = 0;
    while (received < sent) {
      const part = recvFds(b, Buffer.alloc(100_000));
      received += part.length;
      fds.push(...part.fds);
    }
    assert.equal(fds.length, 1);
    closeAll(fds);
    assert.equal(hear(reader), '');
  },

  async 'plain read() drops them'() {
    const [a, b] = socketpair();
    const [reader, writer] = pipe();
    sendFds(a, [writer], Buffer.from('x'));
    close(writer);
    assert.equal(read(b, Buffer.alloc(1)), 1);
    assert.equal(hear(reader), '');
  },

  async 'a file keeps its position'() {
    const path = join(tmpdir(), `truefork-test-${process.pid}`);
    writeFileSync(path, 'abcdef');
    const file = openSync(path, 'r');
    assert.equal(read(file, Buffer.alloc(2)), 2);
    const [a, b] = socketpair();
    sendFds(a, [file]);
    closeSync(file);
    const { fds } = recvFds(b, Buffer.alloc(1));
    assert.equal(hear(fds[0]!), 'cdef');
    execFileSync('rm', [path]);
  },

  async 'Python at the other end'() {
    if (spawnSync('python3', ['-c', 'import socket; socket.send_fds']).status !== 0) return;
    const [a, b] = socketpair();
    const program = `
import os, socket
peer = socket.socket(fileno=0)
data, fds, flags, address = socket.recv_fds(peer, 100, 10)
os.write(fds[0], data[::-1])
reader, writer = os.pipe()
socket.send_fds(peer, [b'back'], [reader])
os.write(writer, b'from Python')
`;
    const [reader, writer] = pipe();
    sendFds(a, [writer], Buffer.from('drawer'));
    close(writer);
    assert.equal(spawnSync('python3', ['-c', program], { stdio: [b, 1, 2] }).status, 0);
    assert.equal(hear(reader), 'reward');
    const buffer = Buffer.alloc(10);
    const { length, fds } = recvFds(a, buffer);
    assert.equal(buffer.toString('utf8', 0, length), 'back');
    assert.equal(hear(fds[0]!), 'from Python');
  },

  async 'where none can be sent'() {
    const [reader, writer] = pipe();
    assert.throws(() => sendFds(writer, [reader]), failure('sendmsg', 'ENOTSOCK'));
    assert.throws(() => recvFds(reader, Buffer.alloc(1)), failure('recvmsg', 'ENOTSOCK'));
    const [a, b] = socketpair();
    assert.throws(() => sendFds(a, [2 ** 31 - 1]), failure('sendmsg', 'EBADF'));
    close(b);
    assert.throws(() => sendFds(a, [reader]), failure('sendmsg', 'EPIPE'));
  },

  async 'wrong arguments'() {
    const [a, b] = socketpair();
    for (const fds of [undefined, 1, 'fds', ['1'], [null]]) {
      assert.throws(() => sendFds(a, fds as never), WRONG_TYPE);
    }
    for (const fds of [[-1], [0.5], [2 ** 31]]) {
      assert.throws(() => sendFds(a, fds), OUT_OF_RANGE);
    }
    assert.throws(() => sendFds(a, [], Buffer.alloc(0)), OUT_OF_RANGE);
    assert.throws(() => sendFds('a' as never, []), WRONG_TYPE);
    assert.throws(() => recvFds(b, 'buffer' as never), WRONG_TYPE);
    for (const most of [-1, MAX_DESCRIPTORS + 1, 0.5]) {
      assert.throws(() => recvFds(b, Buffer.alloc(1), most), OUT_OF_RANGE);
    }
  },

  async 'a duplicate is another number for the same'() {
    const [reader, writer] = pipe();
    const second = dup(writer);
    assert.notEqual(second, writer);
    assert.ok(isCloseOnExec(second));
    close(writer);
    say(second, 'still there');
    close(second);
    assert.equal(hear(reader), 'still there');
    assert.throws(() => dup(second), failure('dup', 'EBADF'));
  },
};
