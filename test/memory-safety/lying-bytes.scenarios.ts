// Arrays of bytes that say something else of their length than is true.
import assert from 'node:assert/strict';
import {
  Listener,
  Pipe,
  Pool,
  Process,
  ShareableList,
  SharedArray,
  SharedMemory,
  SimpleQueue,
} from 'truefork';
import * as posix from 'truefork/posix';
import { type Random, forSeeds, fuzzOptions } from '../support/fuzzing.js';
import { countDescriptors, sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

/** A view of `bytes` that says that it has `length` of them. */
type Lie = (bytes: Uint8Array<ArrayBuffer>, length: number) => Uint8Array;

function ownProperty(name: string): Lie {
  return (bytes, length) =>
    Object.defineProperty(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), name, {
      value: length,
    });
}

const LIES: Record<string, Lie> = {
  'a length of its own': ownProperty('length'),
  'a byteLength of its own': ownProperty('byteLength'),
  'a byteOffset of its own': ownProperty('byteOffset'),
  'a subclass'(bytes, length) {
    class Long extends Uint8Array {
      override get length(): number {
        return length;
      }
      override get byteLength(): number {
        return length;
      }
      override get byteOffset(): number {
        return length;
      }
    }
    return new Long(bytes.buffer, bytes.byteOffset, bytes.length);
  },
  'another prototype'(bytes, length) {
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    return Object.setPrototypeOf(view, { __proto__: Uint8Array.prototype, length }) as Uint8Array;
  },
  'another length each time'(bytes, length) {
    let asked = 0;
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    const get = (): number => (asked++ % 2 === 0 ? bytes.length : length);
    return Object.defineProperty(view, 'length', { get });
  },
};

const CONTENT = Uint8Array.from({ length: 10 }, (_, i) => i + 1);

/** All of them, of ten bytes. */
function* lies(): Generator<[name: string, bytes: Uint8Array]> {
  for (const [name, lie] of Object.entries(LIES)) {
    for (const length of [0, 3, 11, 5000, 2 ** 31])
      yield [`${name}: ${length}`, lie(CONTENT.slice(), length)];
  }
}

function plain(bytes: unknown): number[] {
  return Array.from(Buffer.from(bytes as Uint8Array));
}

/** Neither bytes nor what could be taken for them. */
const IMPOSTORS: Record<string, unknown> = {
  'a proxy': new Proxy(new Uint8Array(4), {}),
  'an object with that prototype': Object.create(Uint8Array.prototype),
  'an object with that prototype and a length': Object.create(Buffer.prototype, {
    length: { value: 4 },
  }),
  'an array': [1, 2, 3],
  'other numbers': new Uint16Array(4),
  'a view': new DataView(new ArrayBuffer(4)),
  'a buffer': new ArrayBuffer(4),
  nothing: undefined,
};

const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const NOT_CLONABLE = { code: 'ERR_TRUEFORK_NOT_CLONABLE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

/** Arrays that lie about what they are, made of `length` bytes. */
function oddBytes(random: Random): { bytes: Uint8Array; length: number } {
  const length = random.below(64);
  const size = random.pick([0, 1, length, length + 1, 4096, 2 ** 31 - 1, 2 ** 32, -1, NaN, 0.5]);
  const view = new Uint8Array(new ArrayBuffer(128), random.below(64), length);
  switch (random.below(5)) {
    case 0:
      return { bytes: view, length };
    case 1:
      return { bytes: new Uint8Array(new SharedArrayBuffer(length)), length };
    case 2:
      structuredClone(view.buffer, { transfer: [view.buffer] });
      return { bytes: view, length: 0 };
    case 3:
      return shrunk(random, length);
    default:
      return { bytes: random.pick(Object.values(LIES))(view, size), length };
  }
}

/** A view of a buffer that had more bytes when it was made. */
function shrunk(random: Random, length: number): { bytes: Uint8Array; length: number } {
  type Resizable = ArrayBuffer & { resize(size: number): void };
  const make = ArrayBuffer as unknown as new (size: number, options: object) => Resizable;
  const buffer = new make(length, { maxByteLength: 64 });
  const isTracking = random.below(2) === 0;
  const bytes = isTracking ? new Uint8Array(buffer) : new Uint8Array(buffer, 0, length);
  const left = random.below(length + 1);
  buffer.resize(left);
  return { bytes, length: isTracking || left === length ? left : 0 };
}

const NUMBERS = [0, 1, 2, 63, 64, 65, 4096, 2 ** 31 - 1, 2 ** 31, 2 ** 53, -1, NaN, 0.5, Infinity];

function oddNumber(random: Random, length: number): number | undefined {
  const isRight = random.below(2) === 0;
  if (isRight) return random.below(4) === 0 ? undefined : random.below(length + 1);
  return random.pick(NUMBERS);
}

/** The result of `call`; undefined after an error that has a code. */
function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    const { code } = error as { code?: string };
    assert.match(
      String(code),
      /^(E[A-Z]+|ERR_(OUT_OF_RANGE|INVALID_ARG_(TYPE|VALUE)))$/,
      String(error),
    );
    return undefined;
  }
}

/** Calls, each of which must touch at most the bytes that are there. */
class Calls {
  readonly #random: Random;
  readonly #pipe = posix.pipe();
  readonly #sockets = posix.socketpair();
  readonly #scratch = new Uint8Array(65_536);

  constructor(random: Random) {
    this.#random = random;
  }

  run(): void {
    const { bytes, length } = oddBytes(this.#random);
    const offset = oddNumber(this.#random, length);
    const count = oddNumber(this.#random, length);
    switch (this.#random.below(4)) {
      case 0:
        return this.#write(bytes, length, offset, count);
      case 1:
        return this.#read(bytes, length, offset, count);
      case 2:
        return this.#send(bytes, length);
      default:
        return this.#receive(bytes, length);
    }
  }

  close(): void {
    for (const fd of [...this.#pipe, ...this.#sockets]) posix.close(fd);
  }

  #write(bytes: Uint8Array, length: number, offset?: number, count?: number): void {
    const written = attempt(() => posix.write(this.#pipe[1], bytes, offset, count)) ?? 0;
    assert.ok(written <= length - (written > 0 ? (offset ?? 0) : 0));
    if (written > 0) assert.equal(posix.read(this.#pipe[0], this.#scratch), written);
  }

  #read(bytes: Uint8Array, length: number, offset?: number, count?: number): void {
    posix.write(this.#pipe[1], this.#scratch, 0, 100);
    const there = attempt(() => posix.read(this.#pipe[0], bytes, offset, count)) ?? 0;
    assert.ok(there <= length);
    if (there < 100) assert.equal(posix.read(this.#pipe[0], this.#scratch), 100 - there);
  }

  #send(bytes: Uint8Array, length: number): void {
    const sent = attempt(() => posix.sendFds(this.#sockets[0], [0], bytes)) ?? 0;
    assert.equal(sent, sent === 0 ? 0 : length);
    if (sent > 0) this.#takeFds(this.#scratch, sent);
  }

  #receive(bytes: Uint8Array, length: number): void {
    posix.sendFds(this.#sockets[0], [0, 1], this.#scratch.subarray(0, 10));
    const there = attempt(() => this.#takeFds(bytes, Math.min(10, length))) ?? 0;
    if (there < 10) attempt(() => this.#takeFds(this.#scratch, 10 - there));
  }

  #takeFds(bytes: Uint8Array, expected: number): number {
    const { length, fds } = posix.recvFds(this.#sockets[1], bytes);
    for (const fd of fds) posix.close(fd);
    assert.equal(length, expected);
    return length;
  }
}

const TEN = Array.from(CONTENT);

export const scenarios: Scenarios = {
  async 'connections send what is there'() {
    const [left, right] = Pipe();
    for (const [name, bytes] of lies()) {
      left.sendBytesSync(bytes);
      await left.sendBytes(bytes);
      left.sendSync(bytes);
      await left.send({ bytes: [bytes] });
      for (let i = 0; i < 2; i++) assert.deepEqual(plain(right.recvBytesSync()), TEN, name);
      assert.deepEqual(plain(right.recvSync()), TEN, name);
      assert.deepEqual(plain((right.recvSync() as { bytes: unknown[] }).bytes[0]), TEN, name);
    }
  },

  async 'long ones, too'() {
    const [left, right] = Pipe();
    const long = new Uint8Array(1 << 20).fill(3);
    for (const [name, lie] of Object.entries(LIES)) {
      const sending = left.sendBytes(lie(long, 2 ** 31));
      const received = await right.recvBytes();
      await sending;
      assert.deepEqual(received, Buffer.from(long), name);
    }
  },

  async 'queues, pools and lists take what is there'() {
    const queue = new SimpleQueue();
    const list = new ShareableList(['x'.repeat(40)]);
    list.shm.unlink();
    const pool = new Pool(1);
    for (const [name, bytes] of lies()) {
      queue.putSync(bytes);
      assert.deepEqual(plain(queue.getSync()), TEN, name);
      list.set(0, bytes);
      assert.deepEqual(plain(list.get(0)), TEN, name);
      assert.equal(list.count(bytes), 1, name);
      assert.deepEqual(plain(await pool.apply((value: Uint8Array) => value, [bytes])), TEN, name);
    }
    pool.terminate();
    await pool.join();
  },

  'keys and strings are made of what is there'() {
    const text = new SharedArray('c', 20, { lock: false });
    for (const [name, bytes] of lies()) {
      const { authkey } = new Process({ target: () => {}, authkey: bytes });
      assert.deepEqual(plain(authkey), TEN, name);
      new Listener(undefined, { authkey: bytes }).close();
      text.value = bytes as never;
      assert.deepEqual(plain(text.value), TEN, name);
    }
  },

  'system calls use what is there'() {
    const [reader, writer] = posix.pipe();
    const [left, right] = posix.socketpair();
    const room = new Uint8Array(100);
    for (const [name, bytes] of lies()) {
      assert.equal(posix.write(writer, bytes), 10, name);
      assert.throws(() => posix.write(writer, bytes, 0, 11), OUT_OF_RANGE, name);
      assert.throws(() => posix.write(writer, bytes, 11), OUT_OF_RANGE, name);
      assert.equal(posix.read(reader, room), 10, name);
      posix.write(writer, room);
      assert.equal(posix.read(reader, bytes), 10, name);
      assert.throws(() => posix.read(reader, bytes, 5, 6), OUT_OF_RANGE, name);
      assert.equal(posix.read(reader, room), 90, name);
      assert.equal(posix.sendFds(left, [], bytes), 10, name);
      assert.equal(posix.recvFds(right, bytes).length, 10, name);
    }
  },

  async 'there is room for what is there'() {
    const [left, right] = Pipe();
    for (const [name, bytes] of lies()) {
      left.sendBytesSync(CONTENT);
      assert.equal(right.recvBytesIntoSync(bytes), 10, name);
      left.sendBytesSync(new Uint8Array(11));
      await assert.rejects(right.recvBytesInto(bytes), { code: 'ERR_TRUEFORK_BUFFER_TOO_SHORT' });
      await assert.rejects(right.recvBytesInto(bytes, 11), OUT_OF_RANGE);
    }
  },

  'what are no bytes is refused'() {
    const [connection] = Pipe();
    for (const [name, value] of Object.entries(IMPOSTORS)) {
      const bytes = value as Uint8Array;
      for (const use of [
        () => connection.sendBytesSync(bytes),
        () => connection.recvBytesIntoSync(bytes),
        () => posix.read(0, bytes),
        () => posix.write(1, bytes),
        () => posix.recvFds(0, bytes),
        () => new Listener(undefined, { authkey: bytes ?? null }),
        () => posix.munmap(bytes as never),
      ]) {
        if (name === 'a buffer' && String(use).includes('munmap')) continue;
        assert.throws(use, WRONG_TYPE, `${name}: ${String(use)}`);
      }
    }
    const fake = Object.create(ArrayBuffer.prototype) as ArrayBuffer;
    assert.throws(() => posix.munmap(fake), WRONG_TYPE);
  },

  async 'bytes that are taken away while they are sent'() {
    const [left, right] = Pipe();
    const bytes = new Uint8Array(1 << 22);
    const sending = assert.rejects(left.sendBytes(bytes), { code: 'ERR_TRUEFORK_TRUNCATED' });
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    const receiving = assert.rejects(right.recvBytes(), { code: 'ERR_TRUEFORK_TRUNCATED' });
    await sending;
    left.close();
    await receiving;
  },

  async 'bytes that are taken away while a worker gets them'() {
    const size = (value: Uint8Array): number => value.length;
    const pidOf = (): number => process.pid;
    const pool = new Pool(1);
    await pool.apply(size, [new Uint8Array(1)]);
    await pool.apply(pidOf);
    const pid = await pool.apply(pidOf); // of a worker that knows both
    process.kill(pid, 'SIGSTOP');
    const memory = new SharedMemory({ create: true, size: 1 << 24 });
    memory.unlink();
    // It has not begun, and is sent again, to another worker.
    const refused = assert.rejects(pool.apply(size, [memory.buf]), NOT_CLONABLE);
    await sleep(50); // until the socket is full
    memory.close();
    process.kill(pid, 'SIGCONT');
    await refused;
    assert.equal(await pool.apply(size, [new Uint8Array(1 << 24)]), 1 << 24);
    pool.terminate();
    await pool.join();
  },

  'a hundred thousand calls': {
    async run() {
      const before = countDescriptors();
      await forSeeds(1000, async (random) => {
        const calls = new Calls(random);
        for (let i = 0; i < 100; i++) calls.run();
        calls.close();
      });
      assert.equal(countDescriptors(), before);
    },
    options: fuzzOptions,
  },
};
