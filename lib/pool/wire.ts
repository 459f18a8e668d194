// The line between a pool and one worker: a socket, and whole messages on it. Each end is used
// by one process, which can therefore read and write many messages at once.
import { constants } from 'node:buffer';
import { ProcessError } from '../errors.js';
import { close, setNonblocking, tryRead, tryWritePair } from '../posix/descriptors.js';
import { waitUntilReady, WRITABLE } from '../posix/poller.js';

/** Before each message: its length in bytes, little-endian. */
const HEADER = 8;
/** How much to read at once. */
const SCRATCH = 2 ** 16;
/** How much to read before others have their turn. */
const MOST_AT_ONCE = 2 ** 22;
/** A message up to this size is copied, to be written at once. */
const SMALL = 2 ** 14;

const scratch = Buffer.allocUnsafeSlow(SCRATCH);
const NOTHING = Buffer.alloc(0);

function tooLong(): ProcessError {
  return new ProcessError('ERR_TRUEFORK_BAD_LENGTH', 'bad message length');
}

export class Wire {
  readonly fd: number;
  /** What has been read of a message of which the rest is missing. */
  #part: Buffer = NOTHING;
  #partLength = 0;
  #outgoing: Uint8Array[] = [];
  /** How much of the first of them is out. */
  #written = 0;
  #isClosed = false;
  /** Whether the other end is closed. */
  hasEnded = false;

  constructor(fd: number) {
    setNonblocking(fd);
    this.fd = fd;
  }

  /** Whether there is something to write as soon as there is room. */
  get isBlocked(): boolean {
    return this.#outgoing.length > 0;
  }

  /** Queues a message. Its parts must not change until they are out. */
  queue(parts: readonly Uint8Array[]): void {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const header = Buffer.allocUnsafe(HEADER);
    header.writeUInt32LE(length % 2 ** 32, 0);
    header.writeUInt32LE(Math.floor(length / 2 ** 32), 4);
    if (length <= SMALL) this.#outgoing.push(Buffer.concat([header, ...parts], HEADER + length));
    else this.#outgoing.push(header, ...parts.filter((part) => part.length > 0));
  }

  /** Writes as much as there is room for. Who does not read any more is read to the end. */
  write(): void {
    try {
      while (this.#outgoing.length > 0) {
        const [first, second = NOTHING] = this.#outgoing;
        const rest = this.#written > 0 ? first!.subarray(this.#written) : first!;
        const count = tryWritePair(this.fd, rest, second);
        if (count === undefined) return;
        this.#advance(count);
      }
    } catch {
      this.#outgoing = [];
      this.#written = 0;
    }
  }

  /** Writes everything, and blocks the thread until that is done. */
  writeFully(): void {
    this.write();
    while (this.isBlocked) {
      waitUntilReady(this.fd, WRITABLE, Infinity);
      this.write();
    }
  }

  /**
   * Reads what is there, and gives each message to `receive`. To the end, although a short read says that
   * there is no more: after an error of the socket, such as a peer that left something unread, libuv
   * does not call again.
   */
  read(receive: (message: Buffer) => void): void {
    for (let sum = 0; sum < MOST_AT_ONCE && !this.hasEnded && !this.#isClosed;) {
      const count = this.#isLong() ? this.#readLong(receive) : this.#readShort(receive);
      if (count === undefined) return;
      this.hasEnded = count === 0;
      sum += count;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#outgoing = [];
    close(this.fd);
  }

  #advance(count: number): void {
    this.#written += count;
    while (this.#outgoing.length > 0 && this.#written >= this.#outgoing[0]!.length) {
      this.#written -= this.#outgoing[0]!.length;
      this.#outgoing.shift();
    }
  }

  /** Whether the rest of a message is missing that is read into a buffer of its own. */
  #isLong(): boolean {
    return this.#part.length > SCRATCH;
  }

  #readLong(receive: (message: Buffer) => void): number | undefined {
    const { length } = this.#part;
    const count = tryRead(this.fd, this.#part, this.#partLength, length - this.#partLength);
    if (count === undefined) return undefined;
    this.#partLength += count;
    if (this.#partLength === length) {
      const message = this.#part.subarray(HEADER);
      this.#part = NOTHING;
      this.#partLength = 0;
      receive(message);
    }
    return count;
  }

  #readShort(receive: (message: Buffer) => void): number | undefined {
    const before = this.#partLength;
    this.#part.copy(scratch);
    const count = tryRead(this.fd, scratch, before, SCRATCH - before);
    if (count === undefined || count === 0) return count;
    // A copy: values may be views of the message that they came in.
    this.#takeApart(Buffer.from(scratch.subarray(0, before + count)), receive);
    return count;
  }

  #takeApart(bytes: Buffer, receive: (message: Buffer) => void): void {
    let at = 0;
    const messages: Buffer[] = [];
    while (bytes.length - at >= HEADER) {
      const end = at + HEADER + lengthAt(bytes, at);
      if (end > bytes.length) break;
      messages.push(bytes.subarray(at + HEADER, end));
      at = end;
    }
    this.#keep(at === bytes.length ? NOTHING : bytes.subarray(at));
    for (const message of messages) receive(message);
  }

  #keep(part: Buffer): void {
    this.#part = part;
    this.#partLength = part.length;
    if (part.length < HEADER) return;
    const length = HEADER + lengthAt(part, 0);
    if (length <= SCRATCH) return;
    this.#part = allocate(length);
    part.copy(this.#part);
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

function allocate(length: number): Buffer {
  if (length > constants.MAX_LENGTH) throw tooLong();
  return Buffer.allocUnsafeSlow(length);
}
