// Messages on a socket of which each end belongs to one process: that one may read ahead, and read
// and write many messages at once. (The end of a pipe may be shared: see frames.ts.)
import { Fifo } from '../common/fifo.js';
import { tryRead, tryWritePair } from '../posix/descriptors.js';
import { bytesGone } from './frames.js';

/** How much to read at once. */
const SCRATCH_BYTES = 2 ** 16;
/** How much room to make for a long message before any of it has come. */
const FIRST_ROOM_BYTES = 2 ** 26;

const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
const NOTHING = Buffer.alloc(0);

/** How messages are told apart. */
export interface Framing {
  /** The size of what precedes each message. */
  readonly headerBytes: number;
  /** The length of the message whose header is there, in bytes. Throws if that is no header. */
  lengthAt(bytes: Buffer, at: number): number;
}

/** A message that is longer than what is read at once, in memory of its own, with its header. */
interface LongMessage {
  readonly length: number;
  /** Grows with what comes. */
  bytes: Buffer;
  done: number;
}

/** Values may be views of the message that they came in. */
function copyOfScratch(length: number): Buffer {
  const copy = Buffer.allocUnsafe(length);
  scratch.copy(copy, 0, 0, length);
  return copy;
}

/** The messages that come, from a descriptor that does not block. */
export class MessageInput {
  readonly #framing: Framing;
  readonly #buffer: Buffer | undefined;
  /** The memory of what was read and not taken: from `#at` to `#end`. */
  #bytes: Buffer = NOTHING;
  #at = 0;
  #end = 0;
  #long: LongMessage | undefined;

  /**
   * @param areKept whether messages are used after the next read: then each read has memory of its
   *   own
   */
  constructor(framing: Framing, areKept: boolean) {
    this.#framing = framing;
    this.#buffer = areKept ? undefined : Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }

  /**
   * The next message, if all of it was read.
   *
   * @throws what {@link Framing.lengthAt} throws
   */
  next(): Buffer | undefined {
    const length = this.#nextLength();
    if (length === undefined || this.#end - this.#at < length) return undefined;
    const begin = this.#at + this.#framing.headerBytes;
    this.#at += length;
    const message = this.#bytes.subarray(begin, this.#at);
    if (this.#at === this.#end) this.forget();
    return message;
  }

  /**
   * Reads once. For when {@link next} has nothing.
   *
   * @returns how many bytes; 0 at the end; undefined if there are none yet
   * @throws RangeError, if there is no memory for a message; SystemError
   */
  read(fd: number): number | undefined {
    if (this.#at < this.#end) this.#long ??= this.#beginLong();
    return this.#long === undefined ? this.#readMore(fd) : this.#readLong(fd, this.#long);
  }

  /** Drops what was read and not taken. */
  forget(): void {
    this.#hold(NOTHING);
    this.#long = undefined;
  }

  #hold(bytes: Buffer, end: number = bytes.length): void {
    this.#bytes = bytes;
    this.#at = 0;
    this.#end = end;
  }

  /** The length of the next message, with its header, if that is there. */
  #nextLength(): number | undefined {
    const { headerBytes } = this.#framing;
    if (this.#end - this.#at < headerBytes) return undefined;
    return headerBytes + this.#framing.lengthAt(this.#bytes, this.#at);
  }

  #readMore(fd: number): number | undefined {
    const rest = this.#end - this.#at;
    const buffer = this.#buffer ?? scratch;
    if (rest > 0) this.#bytes.copy(buffer, 0, this.#at, this.#end);
    if (this.#buffer !== undefined) this.#hold(buffer, rest);
    const count = tryRead(fd, buffer, rest, buffer.length - rest);
    if (count === undefined || count === 0) return count;
    const end = rest + count;
    this.#hold(this.#buffer ?? copyOfScratch(end), end);
    return count;
  }

  #beginLong(): LongMessage | undefined {
    const length = this.#nextLength();
    if (length === undefined || length <= SCRATCH_BYTES) return undefined;
    const rest = this.#bytes.subarray(this.#at, this.#end);
    this.forget();
    return { length, bytes: rest, done: rest.length };
  }

  #readLong(fd: number, long: LongMessage): number | undefined {
    if (long.done === long.bytes.length) this.#grow(long);
    const count = tryRead(fd, long.bytes, long.done, long.bytes.length - long.done);
    if (count === undefined) return undefined;
    long.done += count;
    if (long.done < long.length) return count;
    this.forget();
    this.#hold(long.bytes);
    return count;
  }

  /** Makes room for more of it: never for much more than what has come. */
  #grow(long: LongMessage): void {
    const size = Math.min(long.length, Math.max(FIRST_ROOM_BYTES, 2 * long.done));
    const bigger = Buffer.allocUnsafeSlow(size);
    long.bytes.copy(bigger, 0, 0, long.done);
    long.bytes = bigger;
  }
}

/** Bytes on their way out. Their memory may be closed, transferred or resized meanwhile. */
interface Part {
  readonly bytes: Uint8Array;
  /** How many they were when they were queued. */
  readonly length: number;
}

const NO_PART: Part = { bytes: NOTHING, length: 0 };

function assertThere({ bytes, length }: Part): void {
  if (bytes.length !== length) throw bytesGone();
}

/** The bytes that go, to a descriptor that does not block. */
export class MessageOutput {
  readonly #parts = new Fifo<Part>();
  /** How much of the first of them is out. */
  #written = 0;
  /** How many bytes wait to be written. */
  length = 0;

  /**
   * Writes bytes as far as there is room, if nothing waits before them. @returns how many are out
   *
   * @throws SystemError
   */
  writeNow(fd: number, bytes: Uint8Array): number {
    return this.length > 0 ? 0 : (tryWritePair(fd, bytes, NOTHING) ?? 0);
  }

  /** Queues bytes. They must not change until they are out. */
  queue(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#parts.push({ bytes, length: bytes.length });
    this.length += bytes.length;
  }

  /**
   * Writes as much as there is room for.
   *
   * @returns whether all is out
   * @throws SystemError; ProcessError `ERR_TRUEFORK_TRUNCATED` if the memory of bytes is gone
   */
  write(fd: number): boolean {
    while (this.length > 0) {
      const first = this.#parts.first!;
      const second = this.#parts.second ?? NO_PART;
      assertThere(first);
      assertThere(second);
      const rest = this.#written > 0 ? first.bytes.subarray(this.#written) : first.bytes;
      const count = tryWritePair(fd, rest, second.bytes);
      if (count === undefined) return false;
      this.#advance(count);
    }
    return true;
  }

  /** Drops what was not written yet. */
  forget(): void {
    this.#parts.takeAll();
    this.#written = 0;
    this.length = 0;
  }

  #advance(count: number): void {
    this.length -= count;
    this.#written += count;
    while (this.#parts.length > 0 && this.#written >= this.#parts.first!.length) {
      this.#written -= this.#parts.shift()!.length;
    }
  }
}
