// Messages between a manager's server and its clients: four bytes that say how long, and the bytes.
// Only one process ever has an end, so that it may read ahead.
import { EOFError, ProcessError, TimeoutError } from '../../common/errors.js';
import { Fifo } from '../../common/fifo.js';
import { setImmediate } from '../../common/originals.js';
import { SpinBudget } from '../../common/spin-budget.js';
import { Deadline } from '../../common/waiting.js';
import { OwnDescriptor } from '../../fork/own-descriptor.js';
import { tryRead, tryWritePair } from '../../posix/descriptors.js';
import { READABLE, waitUntilReady, WRITABLE } from '../../posix/poller.js';

/** The size of the length in front of a message, in bytes. */
export const HEADER = 4;
/** The longest message, in bytes. */
const MAX_MESSAGE_BYTES = 2 ** 31 - 1;
const FIRST_ROOM_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);

/**
 * How often to look for the next message before going back to the event loop: who has just got an
 * answer often asks again at once, and to be woken takes longer than that.
 */
const MAX_GLANCES = 30;
/** How many messages to take in a row, before others get their turn. */
const MAX_BURST = 100;

/**
 * The descriptor of the last that has received something. Where several do, there is no time to
 * wait for one.
 */
let lastActive = -1;

/** Hears what comes from the other end. */
export interface Receiver {
  /** The bytes are overwritten by the next message. */
  onMessage(message: Buffer): void;
  /** All that was sent is out, after some of it had to wait. */
  onDrain?(): void;
  /** Called once; the wire is closed. */
  onEnd(error: unknown): void;
}

function tooLong(): ProcessError {
  return new ProcessError('ERR_TRUEFORK_BAD_LENGTH', 'bad message length');
}

/** @throws ProcessError `ERR_TRUEFORK_BAD_LENGTH` */
export function writeHeader(message: Buffer): void {
  const length = message.length - HEADER;
  if (length > MAX_MESSAGE_BYTES) throw tooLong();
  message.writeUInt32BE(length);
}

export class Wire {
  readonly #descriptor: OwnDescriptor;
  #isClosed = false;
  readonly #budget = new SpinBudget();

  // Input that is not taken yet: messages from #start to #end.
  #buffer = Buffer.allocUnsafeSlow(FIRST_ROOM_BYTES);
  #start = 0;
  #end = 0;

  /** Bytes that could not be written yet, and their number. */
  #backlog = new Fifo<Buffer>();
  #backlogBytes = 0;
  #receiver: Receiver | undefined;
  #isPaused = false;
  #keepsAlive = false;
  #watched = 0;

  /** @param fd a socket that does not block; the wire's from now on */
  constructor(fd: number) {
    this.#descriptor = new OwnDescriptor(fd);
  }

  get fd(): number {
    return this.#descriptor.fd;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** How many bytes wait to be written. */
  get backlog(): number {
    return this.#backlogBytes;
  }

  /** From now on `receiver` is told of all that comes. */
  listen(receiver: Receiver, keepsAlive: boolean): void {
    this.#receiver = receiver;
    this.#keepsAlive = keepsAlive;
    this.#watch();
  }

  /** Whether the event loop stays alive for what comes. */
  setRef(keepsAlive: boolean): void {
    if (this.#keepsAlive === keepsAlive) return;
    this.#keepsAlive = keepsAlive;
    this.#watched = 0;
    this.#watch();
  }

  /** While it is paused nothing is read. */
  setPaused(isPaused: boolean): void {
    if (this.#isPaused === isPaused) return;
    this.#isPaused = isPaused;
    this.#watch();
    // Some may have been read already.
    if (!isPaused) setImmediate(() => this.#receive());
  }

  /**
   * Sends a message with its header, without waiting: what does not find room goes later.
   *
   * @param message may be overwritten afterwards
   */
  send(message: Buffer): void {
    if (this.#isClosed) return;
    let written = 0;
    if (this.#backlog.length === 0) {
      try {
        written = this.#write(message);
      } catch (error) {
        this.#fail(error);
        return;
      }
      if (written === message.length) return;
    }
    this.#backlog.push(Buffer.from(message.subarray(written)));
    this.#backlogBytes += message.length - written;
    this.#watch();
  }

  /**
   * Sends a message with its header. Blocks the thread until all of it is out. @throws EOFError,
   * SystemError
   */
  sendSync(message: Buffer): void {
    if (this.#isClosed) throw new EOFError();
    if (this.#backlog.length > 0) this.#flushSync();
    this.#writeAll(message);
  }

  /**
   * The next message. Blocks the thread.
   *
   * @throws EOFError, ProcessError, SystemError; TimeoutError after the timeout
   */
  receiveSync(timeout: number = Infinity): Buffer {
    const deadline = new Deadline(timeout);
    for (;;) {
      const message = this.#next();
      if (message !== undefined) return message;
      if (this.#hasComeSoon()) continue;
      if (!waitUntilReady(this.fd, READABLE, deadline.left)) {
        throw new TimeoutError('no answer has come in time');
      }
      this.#read();
    }
  }

  /** May be called twice. The receiver is not told. */
  close(): void {
    this.#isClosed = true;
    this.#receiver = undefined;
    this.#backlog = new Fifo();
    this.#backlogBytes = 0;
    this.#descriptor.close();
  }

  /**
   * An answer is often there sooner than who sleeps is woken. @returns whether something was read
   */
  #hasComeSoon(): boolean {
    if (this.#budget.microseconds === 0) return false;
    for (let i = 0; i < MAX_GLANCES; i++) {
      if (this.#read()) {
        this.#budget.learn(true);
        return true;
      }
    }
    this.#budget.learn(false);
    return false;
  }

  #flushSync(): void {
    for (const piece of this.#backlog.takeAll()) this.#writeAll(piece);
    this.#backlogBytes = 0;
    this.#watch();
  }

  #writeAll(message: Buffer): void {
    let rest = message;
    for (;;) {
      rest = rest.subarray(this.#write(rest));
      if (rest.length === 0) return;
      waitUntilReady(this.fd, WRITABLE, Infinity);
    }
  }

  /** @returns how much of it is out */
  #write(bytes: Buffer): number {
    let written = 0;
    while (written < bytes.length) {
      const count = tryWritePair(this.fd, written === 0 ? bytes : bytes.subarray(written), NOTHING);
      if (count === undefined) break;
      written += count;
    }
    return written;
  }

  /** Reads once. @returns whether there was anything */
  #read(): boolean {
    this.#makeRoom();
    const room = this.#buffer.length - this.#end;
    const count = tryRead(this.fd, this.#buffer, this.#end, room);
    if (count === undefined) return false;
    if (count === 0) throw new EOFError();
    this.#end += count;
    return true;
  }

  /** The buffer grows with what comes, not with what is announced. */
  #makeRoom(): void {
    if (this.#end < this.#buffer.length) return;
    if (this.#start > this.#buffer.length / 2) {
      this.#buffer.copy(this.#buffer, 0, this.#start, this.#end);
    } else {
      const larger = Buffer.allocUnsafeSlow(this.#buffer.length * 2);
      this.#buffer.copy(larger, 0, this.#start, this.#end);
      this.#buffer = larger;
    }
    this.#end -= this.#start;
    this.#start = 0;
  }

  #next(): Buffer | undefined {
    const there = this.#end - this.#start;
    if (there < HEADER) return undefined;
    const length = this.#buffer.readUInt32BE(this.#start);
    if (length > MAX_MESSAGE_BYTES) throw tooLong();
    if (there < HEADER + length) return undefined;
    const begin = this.#start + HEADER;
    const message = this.#buffer.subarray(begin, begin + length);
    this.#start = begin + length;
    if (this.#start === this.#end) this.#rewind();
    return message;
  }

  #rewind(): void {
    this.#start = 0;
    this.#end = 0;
    if (this.#buffer.length > FIRST_ROOM_BYTES)
      this.#buffer = Buffer.allocUnsafeSlow(FIRST_ROOM_BYTES);
  }

  #watch(): void {
    if (this.#isClosed) return;
    // Without a receiver answers are read by those who wait for them.
    const isReading = this.#receiver !== undefined && !this.#isPaused;
    const wanted = (isReading ? READABLE : 0) | (this.#backlog.length > 0 ? WRITABLE : 0);
    if (wanted === this.#watched) return;
    this.#watched = wanted;
    this.#descriptor.watch(wanted, () => this.#onReady(), this.#keepsAlive);
  }

  #onReady(): void {
    this.#flush();
    this.#receive();
  }

  #flush(): void {
    try {
      for (let first = this.#backlog.shift(); first !== undefined; first = this.#backlog.shift()) {
        const written = this.#write(first);
        this.#backlogBytes -= written;
        if (written < first.length) {
          this.#backlog.unshift(first.subarray(written));
          break;
        }
        if (this.#backlog.length === 0) this.#receiver?.onDrain?.();
      }
      this.#watch();
    } catch (error) {
      this.#fail(error);
    }
  }

  get #isListening(): boolean {
    return this.#receiver !== undefined && !this.#isClosed && !this.#isPaused;
  }

  /** Passes on what is complete. */
  #receive(): void {
    if (!this.#isListening) return;
    try {
      this.#deliver();
      for (let burst = 0; burst < MAX_BURST && this.#isListening && this.#glance(); burst++) {
        this.#deliver();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Reads, and waits a moment for something to read. @returns whether there was anything */
  #glance(): boolean {
    const glances = lastActive === this.fd ? MAX_GLANCES : 1;
    lastActive = this.fd;
    for (let i = 0; i < glances; i++) {
      if (this.#read()) return true;
    }
    return false;
  }

  #deliver(): void {
    while (this.#isListening) {
      const message = this.#next();
      if (message === undefined) return;
      this.#receiver!.onMessage(message);
    }
  }

  #fail(error: unknown): void {
    const receiver = this.#receiver;
    this.close();
    receiver?.onEnd(error);
  }
}
