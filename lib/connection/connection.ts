// One end of a pipe or a socket: messages in, messages out.
import { bytesFrom } from '../common/bytes.js';
import { BufferTooShort, EOFError, ProcessError } from '../common/errors.js';
import { booleanOption, optionsReader, refuseSurplus } from '../common/options.js';
import { checkReceivers } from '../common/receivers.js';
import { assertDescriptor, assertInteger } from '../common/validate.js';
import {
  Deadline,
  syncTimeout,
  throwIfAborted,
  waitFor,
  waitOptions,
  type SyncWaitOptions,
  type WaitOptions,
} from '../common/waiting.js';
import { assertSendable } from '../serialize/clone.js';
import { closeFds, type Frame } from '../serialize/frames.js';
import { currentOrigin, setSource, Source, sourceOf, within } from '../serialize/origin.js';
import { decode, encode, type Encoded } from '../serialize/serialize.js';
import { makeShareable } from '../serialize/shareables.js';
import { closedError } from './channel-waits.js';
import { Channel } from './channel.js';

function copyInto(buffer: Uint8Array, offset: number, bytes: Buffer): number {
  if (bytes.length > buffer.length - offset) throw new BufferTooShort(bytes);
  buffer.set(bytes, offset);
  return bytes.length;
}

/** The kind of a message that is received as bytes alone. */
function bytesOf({ bytes, fds }: Frame): Buffer {
  closeFds(fds);
  return bytes;
}

function busyError(): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_NOT_SHAREABLE',
    'a connection cannot be sent while somebody waits at it, or in the middle of a message',
  );
}

function assertMaxLength(maxLength: number): void {
  if (maxLength !== Infinity) assertInteger(maxLength, 'maxLength', 0);
}

type Wait = number | WaitOptions;

/**
 * The arguments of `sendBytes()` behind the bytes: options, or first an offset and a size, as in
 * Python.
 */
type AfterBytes = [first: Wait | undefined, size: number | undefined, options: Wait | undefined];

/** The part of `bytes` to send, and the options. */
function partOf(given: Uint8Array, rest: AfterBytes): [body: Uint8Array, options: Wait] {
  const bytes = bytesFrom(given, 'bytes');
  assertSendable(bytes);
  const [first = {}, size, options = {}] = rest;
  if (typeof first !== 'number') {
    refuseSurplus(rest.slice(1), 'an offset and a size come before the options');
    return [bytes, first];
  }
  const { byteLength } = bytes;
  assertInteger(first, 'offset', 0, byteLength);
  if (size !== undefined) assertInteger(size, 'size', 0, byteLength - first);
  return [Buffer.from(bytes.buffer, bytes.byteOffset + first, size ?? byteLength - first), options];
}

/** The directions in which a {@link Connection} is used. */
export interface Directions {
  /** Whether to receive. Default: true. */
  readable?: boolean;
  /** Whether to send. Default: true. */
  writable?: boolean;
}

const readDirections = optionsReader<Directions>('a Connection', {
  readable: booleanOption,
  writable: booleanOption,
});

/**
 * One end of a {@link Pipe}, as Python's `multiprocessing.connection.Connection`.
 *
 * A message is sent whole and received whole, whatever its size. Methods that wait
 * return a promise; their `…Sync` forms block the thread. Messages are received
 * in the order in which they were sent, and by those who wait in the order in which
 * they came.
 *
 * In a forked child a connection works as it does in the parent. Both then have
 * the same end: a message goes to one of them, and two that write (or read) at the
 * same time can tear messages apart, so that only one should, or under a lock. The
 * other end sees the end of file when all copies are closed; close those that are
 * not needed.
 */
export class Connection {
  readonly #channel: Channel;
  readonly #isReadable: boolean;
  readonly #isWritable: boolean;

  /**
   * @param fd a pipe or a stream socket. It is the connection's from now on, and does not block
   *   any more.
   */
  constructor(fd: number, options: Directions = {}) {
    assertDescriptor(fd);
    const { readable = true, writable = true } = readDirections(options);
    this.#channel = new Channel(fd);
    this.#isReadable = readable;
    this.#isWritable = writable;
  }

  /**
   * Sends a value: what can be cloned structurally, and errors whole (inside of other values only
   * as a structured clone makes them). Do not change a Buffer until the promise is resolved: it is
   * not copied.
   *
   * Connections, `net.Socket`s and `net.Server`s, {@link DupFd}s, shared memory, locks and their
   * like are sent as what they are, alone or inside of others, except through TCP; they go on to
   * work here.
   *
   * If the wait ends early and part of the message is out, the rest follows.
   *
   * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE`, `ERR_TRUEFORK_NOT_SHAREABLE`,
   *   `ERR_TRUEFORK_READ_ONLY`, `ERR_TRUEFORK_CLOSED`
   * @throws SystemError `EPIPE` if nobody can receive it; `EMFILE`, `ETOOMANYREFS` if too many
   *   descriptors are on their way
   * @throws TimeoutError if it was not out in time
   * @throws AbortError
   */
  async send(value: unknown, options: number | WaitOptions = {}): Promise<void> {
    const channel = this.#toSend();
    const { timeout, signal } = waitOptions(options);
    await channel.sending.send(this.#encode(value, channel), timeout, signal);
  }

  /** As {@link send}, and blocks the thread. */
  sendSync(value: unknown, options: number | SyncWaitOptions = {}): void {
    const channel = this.#toSend();
    const timeout = syncTimeout(options);
    channel.sending.sendSync(this.#encode(value, channel), timeout);
  }

  /**
   * Sends bytes as they are; `recvBytes()` receives them. None at all are a message, too.
   * Throws as {@link send} does.
   *
   * @param offset where to begin, default: 0; a number here is never a timeout
   * @param size how many to send; default: all from there on
   */
  sendBytes(bytes: Uint8Array, options?: WaitOptions): Promise<void>;
  sendBytes(
    bytes: Uint8Array,
    offset: number,
    size?: number,
    options?: number | WaitOptions,
  ): Promise<void>;
  async sendBytes(bytes: Uint8Array, first?: Wait, size?: number, options?: Wait): Promise<void> {
    const [body, given] = partOf(bytes, [first, size, options]);
    const { timeout, signal } = waitOptions(given);
    await this.#toSend().sending.send({ body }, timeout, signal);
  }

  /** As {@link sendBytes}, and blocks the thread. */
  sendBytesSync(bytes: Uint8Array, options?: SyncWaitOptions): void;
  sendBytesSync(
    bytes: Uint8Array,
    offset: number,
    size?: number,
    options?: number | SyncWaitOptions,
  ): void;
  sendBytesSync(bytes: Uint8Array, first?: Wait, size?: number, options?: Wait): void {
    const [body, given] = partOf(bytes, [first, size, options]);
    this.#toSend().sending.sendSync({ body }, syncTimeout(given));
  }

  /**
   * Receives the next value.
   *
   * @throws EOFError if nobody can send one any more
   * @throws ProcessError `ERR_TRUEFORK_TRUNCATED` if the sender died in the middle of it,
   *   `ERR_TRUEFORK_WRITE_ONLY`, `ERR_TRUEFORK_CLOSED`; `ERR_TRUEFORK_BAD_MESSAGE` if it was not
   *   sent by `send()`; `ERR_TRUEFORK_HANDLE_LOST` if a handle was to come from a process that has
   *   ended
   * @throws SystemError `EMFILE` if there is no room for a handle; the next value can be received
   * @throws TimeoutError after the timeout; the value is not lost
   * @throws AbortError
   */
  async recv(options: number | WaitOptions = {}): Promise<unknown> {
    const { timeout, signal } = waitOptions(options);
    const { bytes, fds } = await this.#toReceive().receiving.receive(Infinity, timeout, signal);
    return within(sourceOf(this), () => decode(bytes, fds));
  }

  /** As {@link recv}, and blocks the thread. */
  recvSync(options: number | SyncWaitOptions = {}): unknown {
    const timeout = syncTimeout(options);
    const { bytes, fds } = this.#toReceive().receiving.receiveSync(Infinity, timeout);
    return within(sourceOf(this), () => decode(bytes, fds));
  }

  /**
   * Receives the bytes of the next message. Throws as {@link recv} does.
   *
   * @param maxLength if the message is longer, this throws `ERR_TRUEFORK_BAD_LENGTH`
   *   and nothing more can be received
   */
  async recvBytes(
    maxLength: number = Infinity,
    options: number | WaitOptions = {},
  ): Promise<Buffer> {
    assertMaxLength(maxLength);
    const { timeout, signal } = waitOptions(options);
    return bytesOf(await this.#toReceive().receiving.receive(maxLength, timeout, signal));
  }

  /** As {@link recvBytes}, and blocks the thread. */
  recvBytesSync(maxLength: number = Infinity, options: number | SyncWaitOptions = {}): Buffer {
    assertMaxLength(maxLength);
    return bytesOf(this.#toReceive().receiving.receiveSync(maxLength, syncTimeout(options)));
  }

  /**
   * Receives the bytes of the next message into `buffer`, from the byte `offset` on.
   * Throws as {@link recv} does.
   *
   * @returns how many they are
   * @throws BufferTooShort if they do not fit; it has them
   */
  async recvBytesInto(
    buffer: Uint8Array,
    offset = 0,
    options: number | WaitOptions = {},
  ): Promise<number> {
    const room = bytesFrom(buffer, 'buffer');
    assertInteger(offset, 'offset', 0, room.length);
    return copyInto(room, offset, await this.recvBytes(Infinity, options));
  }

  /** As {@link recvBytesInto}, and blocks the thread. */
  recvBytesIntoSync(
    buffer: Uint8Array,
    offset = 0,
    options: number | SyncWaitOptions = {},
  ): number {
    const room = bytesFrom(buffer, 'buffer');
    assertInteger(offset, 'offset', 0, room.length);
    return copyInto(room, offset, this.recvBytesSync(Infinity, options));
  }

  /**
   * Whether there is something to receive, or the end. Receives none of it.
   *
   * @param options how long to wait for it; default: not at all
   */
  async poll(options: number | WaitOptions = 0): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    throwIfAborted(signal);
    const deadline = new Deadline(timeout);
    while (!this.pollSync(0)) {
      if (deadline.isOver) return false;
      await waitFor(this.#channel.onReady, deadline.left, signal);
    }
    return true;
  }

  /** As {@link poll}, and blocks the thread. */
  pollSync(options: number | SyncWaitOptions = 0): boolean {
    return this.#toReceive().receiving.isReady(syncTimeout(options));
  }

  /** The values that come, until the end of file. */
  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, undefined> {
    for (;;) {
      let value: unknown;
      try {
        value = await this.recv();
      } catch (error) {
        if (error instanceof EOFError) return;
        throw error;
      }
      yield value;
    }
  }

  /**
   * Closes this end, in this process. Messages that were sent are still delivered; waits to receive
   * end with `ERR_TRUEFORK_CLOSED`. May be called twice.
   */
  close(): void {
    this.#channel.close();
  }

  /** For `using`: {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** The descriptor. @throws ProcessError `ERR_TRUEFORK_CLOSED` */
  fileno(): number {
    if (this.closed) throw closedError();
    return this.#channel.fd;
  }

  static {
    checkReceivers(this, (object) => #channel in object);
    makeShareable('Connection', Connection, {
      toParts(connection, attachments) {
        const { readable, writable } = connection;
        const channel = connection.#channel;
        if (channel.isClosed) throw closedError();
        if (channel.isBusy) throw busyError();
        sourceOf(connection).openTo(currentOrigin());
        return { fd: attachments.descriptor(channel.fd), readable, writable };
      },
      fromParts({ fd, readable, writable }, delivered) {
        const connection = new Connection(delivered.descriptor(fd), { readable, writable });
        return setSource(connection, new Source(currentOrigin()));
      },
    });
  }

  /** @internal Whether there is something to know, whatever the descriptor says. */
  get isReadyAnyway(): boolean {
    return this.closed;
  }

  /** @internal Calls `wake` when that may have changed. Returns a function that takes that back. */
  onReadyAnyway(wake: () => void): () => void {
    return this.#channel.onClose.subscribe(wake);
  }

  /** Whether {@link close} was called in this process. */
  get closed(): boolean {
    return this.#channel.isClosed;
  }

  /** Whether this end can receive. */
  get readable(): boolean {
    return this.#isReadable && this.#channel.receiving.canReceive;
  }

  /** Whether this end can send. */
  get writable(): boolean {
    return this.#isWritable;
  }

  #encode(value: unknown, { transport }: Channel): Encoded {
    return within(sourceOf(this), () => encode(value, transport));
  }

  #toReceive(): Channel {
    if (this.closed) throw closedError();
    if (this.#isReadable) return this.#channel;
    throw new ProcessError('ERR_TRUEFORK_WRITE_ONLY', 'connection is write-only');
  }

  #toSend(): Channel {
    if (this.closed) throw closedError();
    if (this.#isWritable) return this.#channel;
    throw new ProcessError('ERR_TRUEFORK_READ_ONLY', 'connection is read-only');
  }
}
