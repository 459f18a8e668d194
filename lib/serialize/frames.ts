// Messages in a stream of bytes. On the wire a message is its length and its
// bytes, as in Python's multiprocessing: four bytes, big-endian and signed, or, for
// more than they can say, −1 and eight bytes.
import { constants } from 'node:buffer';
import { EOFError, ProcessError } from '../common/errors.js';
import { nativeIo } from '../native/io.js';
import { close, dup, tryRead, tryWritePair } from '../posix/descriptors.js';
import { LOST, MAX_DESCRIPTORS, tryReceive, trySendFds } from '../posix/sockets.js';

const MAX_SHORT = 0x7fff_ffff;
/**
 * From here on half of the time of a message goes into touching its memory for the first time. In
 * bytes.
 */
const LARGE_BYTES = 2 ** 23;
const SHORT_HEADER_BYTES = 4;
const LONG_HEADER_BYTES = 12;

const NO_FDS: number[] = [];
const NOTHING = new Uint8Array(0);
const NO_BYTES = Buffer.alloc(0);

/** A message, and the descriptors that came with it, which are the receiver's: see `wereLost()`. */
export interface Frame {
  readonly bytes: Buffer;
  readonly fds: number[];
}

/** Closes descriptors that nobody wants. */
export function closeFds(fds: readonly number[]): void {
  for (const fd of fds) if (fd !== LOST) close(fd);
}

function badLength(): ProcessError {
  return new ProcessError('ERR_TRUEFORK_BAD_LENGTH', 'bad message length');
}

export function bytesGone(): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_TRUNCATED',
    'the memory of the bytes was closed, transferred or resized before all of them were sent',
  );
}

function allocate(length: number): Buffer {
  let bytes: Buffer;
  try {
    bytes = Buffer.allocUnsafeSlow(length);
  } catch {
    throw badLength();
  }
  if (length >= LARGE_BYTES) nativeIo.expectAll(bytes);
  return bytes;
}

/**
 * Reads messages from a descriptor that does not block: never more than the
 * message, so that another process may read the next one.
 */
export class FrameReader {
  readonly #takesFds: boolean;
  readonly #header = Buffer.allocUnsafe(LONG_HEADER_BYTES);
  #body: Buffer | undefined;
  #read = 0;
  #fds: number[] = [];
  /** Bytes that other code has read, and that come first. */
  #fed: Buffer = NO_BYTES;

  /** @param takesFds whether it reads from a Unix socket, and wants the descriptors that come */
  constructor(takesFds = false) {
    this.#takesFds = takesFds;
  }

  /** The descriptors that have come with the message, LOST among them; they are the caller's. */
  takeFds(): number[] {
    if (this.#fds.length === 0) return NO_FDS;
    const fds = this.#fds;
    this.#fds = [];
    return fds;
  }

  /** Takes the beginning of a message that somebody else has read, and what came with it. */
  feed({ bytes, fds }: Frame): void {
    this.#fed = bytes;
    for (const fd of fds) this.#fds.push(fd);
  }

  /** Whether the next byte belongs to a message whose beginning has been read. */
  get isInside(): boolean {
    return this.#body !== undefined || this.#read > 0 || this.#fed.length > 0;
  }

  /**
   * The next message, or undefined if it is not all there yet: call again.
   *
   * @throws EOFError
   * @throws ProcessError `ERR_TRUEFORK_BAD_LENGTH` if it has more than `maxLength` bytes,
   *   `ERR_TRUEFORK_TRUNCATED` if it ends in the middle
   */
  read(fd: number, maxLength: number): Buffer | undefined {
    if (this.#body === undefined) {
      const length = this.#readHeader(fd);
      if (length === undefined) return undefined;
      if (length < 0 || length > maxLength || length > constants.MAX_LENGTH) throw badLength();
      this.#body = allocate(length);
      this.#read = 0;
    }
    if (!this.#fill(fd, this.#body, this.#body.length)) return undefined;
    const body = this.#body;
    this.#body = undefined;
    this.#read = 0;
    return body;
  }

  #readHeader(fd: number): number | undefined {
    if (!this.#fill(fd, this.#header, SHORT_HEADER_BYTES)) return undefined;
    const length = this.#header.readInt32BE();
    if (length !== -1) return length;
    if (!this.#fill(fd, this.#header, LONG_HEADER_BYTES)) return undefined;
    return Number(this.#header.readBigUInt64BE(SHORT_HEADER_BYTES));
  }

  /** Reads until `buffer` holds `length` bytes. Returns whether it does. */
  #fill(fd: number, buffer: Buffer, length: number): boolean {
    while (this.#read < length) {
      if (this.#fed.length > 0) {
        const copied = this.#fed.copy(buffer, this.#read, 0, length - this.#read);
        this.#fed = this.#fed.subarray(copied);
        this.#read += copied;
        continue;
      }
      const count = this.#takesFds
        ? tryReceive(fd, buffer, this.#read, length - this.#read, this.#fds)
        : tryRead(fd, buffer, this.#read, length - this.#read);
      if (count === undefined) return false;
      if (count === 0) throw this.#endOfFile();
      this.#read += count;
    }
    return true;
  }

  #endOfFile(): ProcessError {
    if (!this.isInside) return new EOFError();
    return new ProcessError('ERR_TRUEFORK_TRUNCATED', 'got end of file during message');
  }
}

/** A message on its way out. */
export class OutgoingFrame {
  readonly #head: Buffer;
  readonly #body: Uint8Array;
  /** When it was given: its memory may be taken away before all of it is out. */
  readonly #bodyLength: number;
  #written: number;
  /** Descriptors that are yet to be sent. */
  #fds: readonly number[];
  #areOurs = false;

  /**
   * @param kind what precedes the body, for the receiver to see what it is
   * @param fds what goes along, through a Unix socket; they stay open
   * @param written how many bytes of it are out
   */
  constructor(body: Uint8Array, kind?: number, fds: readonly number[] = NO_FDS, written = 0) {
    this.#fds = fds;
    this.#written = written;
    const prefix = kind === undefined ? 0 : 1;
    const length = prefix + body.length;
    const headerLength = length <= MAX_SHORT ? SHORT_HEADER_BYTES : LONG_HEADER_BYTES;
    this.#head = Buffer.allocUnsafe(headerLength + prefix);
    this.#body = body;
    this.#bodyLength = body.length;
    if (length <= MAX_SHORT) {
      this.#head.writeInt32BE(length);
    } else {
      this.#head.writeInt32BE(-1);
      this.#head.writeBigUInt64BE(BigInt(length), SHORT_HEADER_BYTES);
    }
    if (kind !== undefined) this.#head[headerLength] = kind;
  }

  /** Whether a part of it is out, and the rest has to follow. */
  get isInside(): boolean {
    return this.#written > 0;
  }

  /** Whether there are descriptors that somebody may close before they are sent. */
  get #needsFds(): boolean {
    return this.#fds.length > 0 && !this.#areOurs;
  }

  /**
   * Writes to a descriptor that does not block. Returns whether all of it is out.
   *
   * @throws ProcessError `ERR_TRUEFORK_TRUNCATED` if the bytes are gone
   */
  write(fd: number): boolean {
    const length = this.#head.length + this.#bodyLength;
    while (this.#written < length) {
      if (this.#body.length !== this.#bodyLength) throw bytesGone();
      const head = this.#head.subarray(Math.min(this.#written, this.#head.length));
      const body = this.#body.subarray(Math.max(0, this.#written - this.#head.length));
      const count =
        this.#fds.length > 0 ? this.#writeWithFds(fd, head, body) : tryWritePair(fd, head, body);
      if (count === undefined) return false;
      this.#written += count;
    }
    return true;
  }

  /** To be called when somebody has to wait for the rest: what is sent may be closed meanwhile. */
  keepFds(): void {
    if (!this.#needsFds) return;
    const copies: number[] = [];
    try {
      for (const fd of this.#fds) copies.push(dup(fd));
    } catch (error) {
      closeFds(copies);
      throw error;
    }
    this.#fds = copies;
    this.#areOurs = true;
  }

  /** To be called when it will not be written any more. */
  dropFds(): void {
    if (this.#areOurs) closeFds(this.#fds);
    this.#fds = NO_FDS;
  }

  #writeWithFds(fd: number, head: Uint8Array, body: Uint8Array): number | undefined {
    // They go with the first of the bytes. Where there are too many for one message there must be
    // bytes for the others.
    const fds = this.#fds.slice(0, MAX_DESCRIPTORS);
    const isLast = fds.length === this.#fds.length;
    const count = isLast
      ? trySendFds(fd, head, body, fds)
      : trySendFds(fd, (head.length > 0 ? head : body).subarray(0, 1), NOTHING, fds);
    if (count === undefined) return undefined;
    if (this.#areOurs) closeFds(fds);
    this.#fds = isLast ? NO_FDS : this.#fds.slice(fds.length);
    return count;
  }
}
