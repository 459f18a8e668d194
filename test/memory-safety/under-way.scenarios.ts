// Memory that is closed while libuv's threads use it.
import assert from 'node:assert/strict';
import { pbkdf2, randomFill, scrypt } from 'node:crypto';
import { read, readFileSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { deflate } from 'node:zlib';
import { Process, ShareableList, SharedArray, SharedMemory } from 'truefork';
import * as posix from 'truefork/posix';
import { countSharedMappings, sleep, until } from '../support/observe.js';
import type { Scenario, Scenarios } from '../support/scenarios.js';
import { untilCollected, WITH_GC } from './garbage.js';

const SIZE = 16 << 20;

/** How often this process has mapped the memory of that name. */
function mappingsOf({ name }: { name: string }): number {
  const maps = readFileSync('/proc/self/maps', 'utf8');
  return maps.split('\n').filter((line) => line.includes(`/dev/shm/${name}`)).length;
}

function make(size = SIZE): SharedMemory {
  const shm = new SharedMemory({ create: true, size });
  shm.buf.fill(7);
  return shm;
}

/**
 * Calls that use the memory in a thread of libuv's pool, and cannot have ended when they return.
 */
const REQUESTS: Record<string, (bytes: Buffer) => Promise<unknown>> = {
  'crypto.randomFill': (bytes) => promisify(randomFill)(bytes),
  'crypto.pbkdf2': (bytes) => promisify(pbkdf2)(bytes, bytes, 3, 64, 'sha512'),
  'crypto.scrypt': (bytes) => promisify(scrypt)(bytes, bytes, 64),
  'zlib.deflate': (bytes) => promisify(deflate)(bytes),
  async 'fs.read'(bytes) {
    const [reader, writer] = posix.pipe();
    const reading = promisify(read)(reader, bytes, 0, bytes.length, null);
    setTimeout(() => posix.write(writer, Buffer.from('late')), 20);
    assert.equal((await reading).bytesRead, 4);
  },
  async 'fs.write'(bytes) {
    const [reader, writer] = posix.pipe();
    const writing = promisify(write)(writer, bytes, 0, bytes.length, null);
    await sleep(20);
    const received = Buffer.alloc(1 << 16);
    for (let sum = 0; sum < SIZE;) {
      const { bytesRead } = await promisify(read)(reader, received, 0, received.length, null);
      assert.ok(received.subarray(0, bytesRead).every((byte) => byte === 7));
      sum += bytesRead;
    }
    await writing;
  },
};

function goesOn(request: (bytes: Buffer) => Promise<unknown>): Scenario {
  return {
    async run() {
      const shm = make();
      shm.unlink();
      const done = request(shm.buf);
      shm.close();
      assert.equal(shm.buf.length, 0);
      assert.equal(mappingsOf(shm), 1);
      await done;
      await until(() => mappingsOf(shm) === 0);
    },
  };
}

/** A read that ends when something is written. */
function pendingRead(bytes: Uint8Array): { end: () => void; done: Promise<number> } {
  const [reader, writer] = posix.pipe();
  const done = new Promise<number>((resolve, reject) => {
    read(reader, bytes, 0, 4, null, (error, count) => (error ? reject(error) : resolve(count)));
  });
  return { end: () => void posix.write(writer, Buffer.from('late')), done };
}

const own: Scenarios = {
  async 'what is read arrives'() {
    const shm = make();
    using other = new SharedMemory({ name: shm.name });
    shm.unlink();
    const { end, done } = pendingRead(shm.buf);
    await sleep(20);
    shm.close();
    end();
    assert.equal(await done, 4);
    assert.equal(other.buf.toString('latin1', 0, 5), 'late\x07');
    await until(() => mappingsOf(shm) === 1);
  },

  'memory that nothing uses is given back at once'() {
    const shm = make();
    const list = new ShareableList(['a'.repeat(100)]);
    const array = new SharedArray('i', 100_000, { lock: false });
    const buffer = posix.mmap(4096);
    const before = countSharedMappings();
    shm.unlink();
    list.shm.unlink();
    shm.close();
    list.shm.close();
    array.close();
    posix.munmap(buffer);
    assert.equal(countSharedMappings(), before - 4);
  },

  async 'all that can be unmapped'() {
    const list = new ShareableList(['a'.repeat(100)]);
    list.shm.unlink();
    const array = new SharedArray('b', 100_000, { lock: false });
    const buffer = posix.mmap(4096);
    const before = countSharedMappings();
    const reads = [list.shm.buf.buffer, array.buffer, buffer].map((memory) =>
      pendingRead(new Uint8Array(memory)),
    );
    await sleep(20);
    list.shm.close();
    array.close();
    posix.munmap(buffer);
    assert.throws(() => posix.munmap(buffer), { code: 'EINVAL' });
    assert.equal(countSharedMappings(), before);
    for (const { end } of reads) end();
    for (const { done } of reads) assert.equal(await done, 4);
    await until(() => countSharedMappings() === before - 3);
  },

  'memory whose buffer is garbage is given back, whatever is under way': {
    async run() {
      const pending = pendingRead(Buffer.alloc(4));
      let name = '';
      await untilCollected(() => {
        const shm = make();
        shm.unlink();
        shm.close();
        assert.equal(mappingsOf(shm), 1);
        name = shm.name;
        return shm;
      });
      await until(() => mappingsOf({ name }) === 0);
      pending.end();
      await pending.done;
    },
    options: WITH_GC,
  },

  async 'a child has nothing of it'() {
    const shm = make();
    shm.unlink();
    const { end, done } = pendingRead(shm.buf);
    await sleep(20);
    shm.close();
    const child = new Process({ target: () => until(() => mappingsOf(shm) === 0) });
    child.start();
    assert.equal(await child.join(), 0);
    const pid = posix.fork();
    if (pid === 0) {
      await until(() => mappingsOf(shm) === 0);
      posix._exit(5);
    }
    assert.equal(posix.waitpid(pid)!.exitcode, 5);
    assert.equal(mappingsOf(shm), 1);
    end();
    assert.equal(await done, 4);
    await until(() => mappingsOf(shm) === 0);
  },

  async 'in a Worker, which ends'() {
    const code = `
      const { read } = require('node:fs');
      const { workerData } = require('node:worker_threads');
      import('truefork/posix').then(async (posix) => {
        const buffer = posix.mmap(1 << 20);
        const [reader, writer] = posix.pipe();
        read(reader, Buffer.from(buffer), 0, 4, null, () => {});
        setTimeout(() => {
          posix.munmap(buffer);
          setTimeout(() => posix.write(writer, Buffer.from('late')), 5);
          if (workerData === 'at once') setTimeout(() => process.exit(0), 5);
        }, 20);
      });`;
    for (const workerData of ['at once', 'at its end']) {
      const worker = new Worker(code, { eval: true, workerData });
      const exitcode = await new Promise((resolve, reject) => {
        worker.on('exit', resolve).on('error', reject);
      });
      assert.equal(exitcode, 0);
    }
  },
};

export const scenarios: Scenarios = { ...own };
for (const [name, request] of Object.entries(REQUESTS))
  scenarios[`${name} goes on`] = goesOn(request);
