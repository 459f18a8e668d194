// The line between a pool and one worker: a socket, and whole messages on it.
import { constants } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { close, setNonblocking } from '../../posix/descriptors.js';
import { waitUntilReady, WRITABLE } from '../../posix/poller.js';
import { type Framing, MessageInput, MessageOutput } from '../../serialize/message-stream.js';
import { unreadable } from './messages.js';

/** Before each message: its length in bytes, little-endian, and the mark of the line. */
const HEADER_BYTES = 16;
const MARK_AT = 8;
const MARK_BYTES = HEADER_BYTES - MARK_AT;
/** How much to read before others have their turn. */
const MAX_READ_AT_ONCE_BYTES = 2 ** 22;
/** A message up to this size is copied, to be written at once. */
const MAX_COPIED_BYTES = 2 ** 14;

/**
 * The two ends of a line have these bytes in common, and nobody else has them. A task can write to
 * all descriptors of its process; without the mark its bytes could pass for the length of a message
 * that never comes.
 */
export function makeMark(): Buffer {
  return randomBytes(MARK_BYTES);
}

function writeHeader(length: number, mark: Buffer): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32LE(length % 2 ** 32, 0);
  header.writeUInt32LE(Math.floor(length / 2 ** 32), 4);
  mark.copy(header, MARK_AT);
  return header;
}

/** Messages with that mark. */
class MarkedFraming implements Framing {
  readonly headerBytes = HEADER_BYTES;
  readonly #first: number;
  readonly #second: number;

  constructor(mark: Buffer) {
    this.#first = mark.readUInt32LE(0);
    this.#second = mark.readUInt32LE(4);
  }

  /** @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE` */
  lengthAt(bytes: Buffer, at: number): number {
    const isOurs =
      bytes.readUInt32LE(at + MARK_AT) === this.#first &&
      bytes.readUInt32LE(at + MARK_AT + 4) === this.#second;
    const length = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
    if (!isOurs || length > constants.MAX_LENGTH - HEADER_BYTES) throw unreadable();
    return length;
  }
}

export class Wire {
  readonly fd: number;
  readonly #mark: Buffer;
  readonly #input: MessageInput;
  readonly #output = new MessageOutput();
  #isClosed = false;
  /** Whether nothing more can be read: the other end is closed, or has sent what is no message. */
  hasEnded = false;
  /** Whether nothing more can be written: nobody could tell where a message begins. */
  isCut = false;

  constructor(fd: number, mark: Buffer) {
    setNonblocking(fd);
    this.fd = fd;
    this.#mark = mark;
    this.#input = new MessageInput(new MarkedFraming(mark), true);
  }

  /** Whether there is something to write as soon as there is room. */
  get isBlocked(): boolean {
    return this.#output.length > 0;
  }

  /** Queues a message. Its parts must not change until they are out. */
  queue(parts: readonly Uint8Array[]): void {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const header = writeHeader(length, this.#mark);
    if (length <= MAX_COPIED_BYTES) {
      this.#output.queue(Buffer.concat([header, ...parts], HEADER_BYTES + length));
      return;
    }
    this.#output.queue(header);
    for (const part of parts) this.#output.queue(part);
  }

  /** Writes as much as there is room for. A peer that does not read any more is read to the end. */
  write(): void {
    try {
      this.#output.write(this.fd);
    } catch {
      this.isCut = true;
      this.#output.forget();
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
      this.#input.forget();
      throw error;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#output.forget();
    close(this.fd);
  }

  #readAll(receive: (message: Buffer) => void): void {
    for (let sum = 0; sum < MAX_READ_AT_ONCE_BYTES && !this.hasEnded && !this.#isClosed;) {
      const count = this.#input.read(this.fd);
      if (count === undefined) return;
      this.hasEnded = count === 0;
      sum += count;
      for (let message = this.#input.next(); message; message = this.#input.next()) {
        receive(message);
      }
    }
  }
}
