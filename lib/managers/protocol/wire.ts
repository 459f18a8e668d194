// Messages between a manager's server and its clients: four bytes that say how long, and the bytes.
import { EOFError, ProcessError, TimeoutError } from '../../common/errors.js';
import { setImmediate } from '../../common/originals.js';
import { SpinBudget } from '../../common/spin-budget.js';
import { Deadline } from '../../common/waiting.js';
import { OwnDescriptor } from '../../fork/own-descriptor.js';
import { READABLE, waitUntilReady, WRITABLE } from '../../posix/poller.js';
import { type Framing, MessageInput, MessageOutput } from '../../serialize/message-stream.js';

/** The size of the length in front of a message. */
export const HEADER_BYTES = 4;
/** The longest message, in bytes. */
const MAX_MESSAGE_BYTES = 2 ** 31 - 1;

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

/** The user of a wire: called with what comes from the other end. */
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
  const length = message.length - HEADER_BYTES;
  if (length > MAX_MESSAGE_BYTES) throw tooLong();
  message.writeUInt32BE(length);
}

const framing: Framing = {
  headerBytes: HEADER_BYTES,
  lengthAt(bytes, at) {
    const length = bytes.readUInt32BE(at);
    if (length > MAX_MESSAGE_BYTES) throw tooLong();
    return length;
  },
};

export class Wire {
  readonly #descriptor: OwnDescriptor;
  #isClosed = false;
  readonly #budget = new SpinBudget();

  readonly #input = new MessageInput(framing, false);
  readonly #output = new MessageOutput();
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
    return this.#output.length;
  }

  /** From now on `receiver` gets all that comes. */
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
    try {
      const written = this.#output.writeNow(this.fd, message);
      if (written === message.length) return;
      this.#output.queue(Buffer.from(message.subarray(written)));
      this.#watch();
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * Sends a message with its header. Blocks the thread until all of it is out. @throws EOFError,
   * SystemError
   */
  sendSync(message: Buffer): void {
    if (this.#isClosed) throw new EOFError();
    const written = this.#output.writeNow(this.fd, message);
    if (written === message.length) return;
    this.#output.queue(message.subarray(written));
    while (!this.#output.write(this.fd)) waitUntilReady(this.fd, WRITABLE, Infinity);
    this.#watch();
  }

  /**
   * The next message. Blocks the thread.
   *
   * @throws EOFError, ProcessError, SystemError; TimeoutError after the timeout
   */
  receiveSync(timeout: number = Infinity): Buffer {
    const deadline = new Deadline(timeout);
    for (;;) {
      const message = this.#input.next();
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
    this.#output.forget();
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

  /** Reads once. @returns whether there was anything */
  #read(): boolean {
    const count = this.#input.read(this.fd);
    if (count === 0) throw new EOFError();
    return count !== undefined;
  }

  #watch(): void {
    if (this.#isClosed) return;
    // Without a receiver answers are read by those who wait for them.
    const isReading = this.#receiver !== undefined && !this.#isPaused;
    const wanted = (isReading ? READABLE : 0) | (this.#output.length > 0 ? WRITABLE : 0);
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
      const wasWaiting = this.#output.length > 0;
      if (this.#output.write(this.fd) && wasWaiting) this.#receiver?.onDrain?.();
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
      const message = this.#input.next();
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
