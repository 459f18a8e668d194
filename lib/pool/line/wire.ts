// The line between a pool and one worker: a socket, and whole messages on it. Each end is used
// by one process, which can therefore read and write many messages at once.
import { constants } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { close, setNonblocking, tryRead, tryWritePair } from '../../posix/descriptors.js';
import { waitUntilReady, WRITABLE } from '../../posix/poller.js';
import { unreadable } from './messages.js';

/** Before each message: its length in bytes, little-endian, and the mark of the line. */
const HEADER_BYTES = 16;
const MARK_AT = 8;
const MARK_LENGTH = HEADER_BYTES - MARK_AT;
/** How much to read at once. */
const SCRATCH_BYTES = 2 ** 16;
/** How much to read before others have their turn. */
const MAX_READ_AT_ONCE_BYTES = 2 ** 22;
/** How much room to make for a long message before any of it has come. */
const FIRST_ROOM_BYTES = 2 ** 26;
/** A message up to this size is copied, to be written at once. */
const MAX_COPIED_BYTES = 2 ** 14;

const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
const NOTHING = Buffer.alloc(0);
const NO_PART: Part = { bytes: NOTHING, length: 0 };

/**
 * The two ends of a line have these bytes in common, and nobody else has them. A task can write to
 * all descriptors of its process; without the mark its bytes could pass for the length of a message
 * that never comes.
 */
export function makeMark(): Buffer {
  return randomBytes(MARK_LENGTH);
}

/** Bytes on their way out. Their memory may be closed, transferred or resized meanwhile. */
interface Part {
  readonly bytes: Uint8Array;
  /** How many they were when they were queued. */
  readonly length: number;
}

function toPart(bytes: Uint8Array): Part {
  return { bytes, length: bytes.length };
}

function isGone({ bytes, length }: Part): boolean {
  return bytes.length !== length;
}

export class Wire {
  readonly fd: number;
  readonly #mark: Buffer;
  /** The part of a message that has been read while the rest is missing. */
  #part: Buffer = NOTHING;
  #partLength = 0;
  /** How long that message is, with its header, if it is read into a buffer of its own; or 0. */
  #longLength = 0;
  #outgoing: Part[] = [];
  /** How much of the first of them is out. */
  #written = 0;
  #isClosed = false;
  /** Whether nothing more can be read: the other end is closed, or has sent what is no message. */
  hasEnded = false;
  /** Whether nothing more can be written. */
  isCut = false;

  constructor(fd: number, mark: Buffer) {
    setNonblocking(fd);
    this.fd = fd;
    this.#mark = mark;
  }

  /** Whether there is something to write as soon as there is room. */
  get isBlocked(): boolean {
    return this.#outgoing.length > 0;
  }

  /** Queues a message. Its parts must not change until they are out. */
  queue(parts: readonly Uint8Array[]): void {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    header.writeUInt32LE(length % 2 ** 32, 0);
    header.writeUInt32LE(Math.floor(length / 2 ** 32), 4);
    this.#mark.copy(header, MARK_AT);
    if (length <= MAX_COPIED_BYTES) {
      this.#outgoing.push(toPart(Buffer.concat([header, ...parts], HEADER_BYTES + length)));
      return;
    }
    this.#outgoing.push(toPart(header));
    for (const part of parts) if (part.length > 0) this.#outgoing.push(toPart(part));
  }

  /** Writes as much as there is room for. A peer that does not read any more is read to the end. */
  write(): void {
    try {
      while (this.#outgoing.length > 0) {
        const [first, second = NO_PART] = this.#outgoing;
        if (isGone(first!) || isGone(second)) return this.#cut();
        const rest = this.#written > 0 ? first!.bytes.subarray(this.#written) : first!.bytes;
        const count = tryWritePair(this.fd, rest, second.bytes);
        if (count === undefined) return;
        this.#advance(count);
      }
    } catch {
      this.#cut();
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
   * Reads what is there, and gives each message to `receive`. To the end, although a short read
   * says that there is no more: after an error of the socket, such as a peer that left something
   * unread, libuv does not call again. An error of `receive` ends the line, too.
   *
   * @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE`; RangeError, if there is no memory for a
   *   message; SystemError
   */
  read(receive: (message: Buffer) => void): void {
    try {
      this.#readAll(receive);
    } catch (error) {
      this.hasEnded = true;
      this.#part = NOTHING;
      throw error;
    }
  }

  #readAll(receive: (message: Buffer) => void): void {
    for (let sum = 0; sum < MAX_READ_AT_ONCE_BYTES && !this.hasEnded && !this.#isClosed;) {
      const count = this.#longLength > 0 ? this.#readLong(receive) : this.#readShort(receive);
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

  /** Nobody could tell any more where a message begins. */
  #cut(): void {
    this.isCut = true;
    this.#outgoing = [];
    this.#written = 0;
  }

  #advance(count: number): void {
    this.#written += count;
    while (this.#outgoing.length > 0 && this.#written >= this.#outgoing[0]!.length) {
      this.#written -= this.#outgoing[0]!.length;
      this.#outgoing.shift();
    }
  }

  #readLong(receive: (message: Buffer) => void): number | undefined {
    if (this.#partLength === this.#part.length) this.#grow();
    const room = this.#part.length - this.#partLength;
    const count = tryRead(this.fd, this.#part, this.#partLength, room);
    if (count === undefined) return undefined;
    this.#partLength += count;
    if (this.#partLength === this.#longLength) {
      const message = this.#part.subarray(HEADER_BYTES);
      this.#keep(NOTHING);
      receive(message);
    }
    return count;
  }

  /** Makes room for more of a long message: never for much more than what has come of it. */
  #grow(): void {
    const size = Math.min(this.#longLength, Math.max(FIRST_ROOM_BYTES, 2 * this.#partLength));
    const bigger = Buffer.allocUnsafeSlow(size);
    this.#part.copy(bigger, 0, 0, this.#partLength);
    this.#part = bigger;
  }

  #readShort(receive: (message: Buffer) => void): number | undefined {
    const before = this.#partLength;
    this.#part.copy(scratch);
    const count = tryRead(this.fd, scratch, before, SCRATCH_BYTES - before);
    if (count === undefined || count === 0) return count;
    // A copy: values may be views of the message that they came in.
    this.#toParts(Buffer.from(scratch.subarray(0, before + count)), receive);
    return count;
  }

  #toParts(bytes: Buffer, receive: (message: Buffer) => void): void {
    let at = 0;
    const messages: Buffer[] = [];
    try {
      while (bytes.length - at >= HEADER_BYTES) {
        const end = at + HEADER_BYTES + this.#lengthAt(bytes, at);
        if (end > bytes.length) break;
        messages.push(bytes.subarray(at + HEADER_BYTES, end));
        at = end;
      }
      this.#keep(at === bytes.length ? NOTHING : bytes.subarray(at));
    } finally {
      // Whole messages that came before something unreadable count.
      for (const message of messages) receive(message);
    }
  }

  #keep(part: Buffer): void {
    this.#part = part;
    this.#partLength = part.length;
    const length = part.length < HEADER_BYTES ? 0 : HEADER_BYTES + this.#lengthAt(part, 0);
    this.#longLength = length > SCRATCH_BYTES ? length : 0;
    if (this.#longLength > 0) this.#grow();
  }

  /**
   * The length of the message whose header is there. @throws ProcessError
   * `ERR_TRUEFORK_BAD_MESSAGE`
   */
  #lengthAt(bytes: Buffer, at: number): number {
    const mark = this.#mark;
    const isOurs =
      bytes.readUInt32LE(at + MARK_AT) === mark.readUInt32LE(0) &&
      bytes.readUInt32LE(at + MARK_AT + 4) === mark.readUInt32LE(4);
    const length = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
    if (!isOurs || length > constants.MAX_LENGTH - HEADER_BYTES) throw unreadable();
    return length;
  }
}
