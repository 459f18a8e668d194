// multiprocessing.Queue.
import { Empty, Full, ProcessError } from '../common/errors.js';
import { inspectBy } from '../common/inspection.js';
import { integerOption, optionsReader } from '../common/options.js';
import { checkReceivers } from '../common/receivers.js';
import { assertInteger } from '../common/validate.js';
import {
  syncTimeout,
  type SyncWaitOptions,
  throwIfAborted,
  type WaitOptions,
  waitOptions,
} from '../common/waiting.js';
import type { Ring } from '../native/queue.js';
import { Backlog } from './backlog.js';
import { GetLine } from './get-line.js';
import { PutLine } from './put-line.js';
import { AT_ONCE, NOTHING, ownRing, SharedRing } from './ring.js';
import { makeQueueShareable, note } from './sending.js';

/** How a queue is made. */
export interface QueueOptions {
  /**
   * How many bytes of items it can hold for all processes together: from 4 KiB to 4 GiB,
   * rounded up to a power of two. It is address space; memory is used by what is in the queue
   * and, but for 16 MiB at most, given back afterwards. Default: 1 GiB, or less where the
   * address space is limited.
   */
  size?: number;
}

const MIN_SIZE_BYTES = 2 ** 12;
const MAX_SIZE_BYTES = 2 ** 32;
const MAX_MAXSIZE = 2 ** 31 - 1;

const readOptions = optionsReader<QueueOptions>('a queue', {
  size: integerOption(MIN_SIZE_BYTES, MAX_SIZE_BYTES),
});

/** @internal A power of two; undefined: the default. */
export function sizeOf(options: QueueOptions): number | undefined {
  const { size } = readOptions(options);
  if (size === undefined) return undefined;
  return 2 ** Math.ceil(Math.log2(size));
}

/** @internal For JoinableQueue. */
export let ringOf: (queue: Queue) => SharedRing;

/**
 * A queue of values between processes, as Python's `multiprocessing.Queue`. Processes that are
 * forked after it was made share it. Any of them can put and get; what one process puts another
 * gets in that order.
 *
 * The values are in shared memory as soon as `put` has put them, and outlive the process. A
 * process that is killed, whatever it is doing, takes at most the item with it that it is
 * putting or getting at that moment, and keeps nobody else waiting.
 *
 * Values travel as through a pipe: see {@link Connection.send}. A queue can itself be sent, also to
 * processes that are no children.
 *
 * @example
 * ```ts
 * const queue = new Queue<string>();
 * new Process({ target: () => queue.put('hello') }).start();
 * await queue.get(); // 'hello'
 * ```
 */
export class Queue<T = unknown> {
  readonly #ring: SharedRing;
  readonly #getters: GetLine;
  readonly #maxsize: number;
  /** One of the two: a queue without a limit never makes anybody wait to put. */
  readonly #putters: PutLine | undefined;
  readonly #backlog: Backlog;
  #isClosed = false;

  static {
    checkReceivers(this, (object) => #ring in object);
    ringOf = (queue) => queue.#ring;
    makeQueueShareable<Queue>(Queue, ringOf, (ring) => new Queue(ring.most(), {}, ring));
  }

  /** Whether this object has put anything. */
  #isUsed = false;

  /**
   * @param maxsize how many items it can hold; 0 or less: any number
   * @throws SystemError `ENOMEM`
   */
  constructor(maxsize?: number, options?: QueueOptions);
  /** @internal Over memory that is there. */
  constructor(maxsize?: number, options?: QueueOptions, ring?: Ring);
  constructor(maxsize = 0, options: QueueOptions = {}, ring?: Ring) {
    assertInteger(maxsize, 'maxsize', -MAX_MAXSIZE, MAX_MAXSIZE);
    this.#maxsize = Math.max(0, maxsize);
    this.#ring = new SharedRing(ownRing(ring, sizeOf(options), this.#maxsize));
    this.#getters = new GetLine(this.#ring);
    this.#backlog = new Backlog(this.#ring);
    if (this.#maxsize > 0) this.#putters = new PutLine(this.#ring);
    note(this, this.#ring);
  }

  /**
   * Puts a value.
   *
   * Without a `maxsize` this never waits. A value for which there is no memory in the queue (see
   * {@link QueueOptions.size}) is kept by this process, which puts it in the background and does
   * not end before it is through, unless {@link cancelJoinThread} was called.
   *
   * With a `maxsize` it waits until there are fewer items, and memory. Tasks of this process put in
   * the order in which they came.
   *
   * The value is copied before this returns.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit
   * @throws Full after the timeout
   * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE`: nothing was put; `ERR_TRUEFORK_CLOSED`
   * @throws AbortError
   */
  async put(value: T, options: number | WaitOptions = Infinity): Promise<void> {
    const { timeout, signal } = waitOptions(options);
    this.#use();
    if (this.#putters === undefined) {
      throwIfAborted(signal);
      this.#backlog.put(value, AT_ONCE);
    } else if (!(await this.#putters.put(value, timeout, signal))) {
      throw new Full();
    }
  }

  /** As {@link put}, and blocks the thread where that waits. */
  putSync(value: T, options: number | SyncWaitOptions = Infinity): void {
    const timeout = syncTimeout(options);
    this.#use();
    if (this.#putters === undefined) this.#backlog.put(value, 0);
    else if (!this.#putters.putSync(value, timeout)) throw new Full();
  }

  /** {@link putSync} with a timeout of 0. */
  putNowait(value: T): void {
    this.putSync(value, 0);
  }

  /**
   * Takes the next value out. A wait that times out or is aborted takes none. Tasks of this
   * process get in the order in which they came.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit
   * @throws Empty after the timeout
   * @throws ProcessError `ERR_TRUEFORK_CLOSED`, also if the queue is closed meanwhile
   * @throws SystemError `ENOMEM` if there is no memory for the value; it stays in the queue
   * @throws AbortError
   */
  async get(options: number | WaitOptions = Infinity): Promise<T> {
    const { timeout, signal } = waitOptions(options);
    this.#assertOpen();
    const value = await this.#getters.get(timeout, signal);
    if (value === NOTHING) throw new Empty();
    return value as T;
  }

  /** As {@link get}, and blocks the thread. */
  getSync(options: number | SyncWaitOptions = Infinity): T {
    const timeout = syncTimeout(options);
    this.#assertOpen();
    const value = this.#getters.getSync(timeout);
    if (value === NOTHING) throw new Empty();
    return value as T;
  }

  /** {@link getSync} with a timeout of 0. */
  getNowait(): T {
    return this.getSync(0);
  }

  /** How many items there are, with those that processes have yet to put. */
  qsize(): number {
    this.#backlog.settle();
    return this.#ring.native.count();
  }

  /**
   * Whether there are none at this moment.
   *
   * @throws ProcessError `ERR_TRUEFORK_CLOSED` if this process has put into the queue and closed it
   */
  empty(): boolean {
    if (this.#isUsed) this.#assertOpen();
    this.#backlog.settle();
    return this.#ring.native.isEmpty() && this.#backlog.length === 0;
  }

  /** Whether there are `maxsize` items at this moment. */
  full(): boolean {
    return this.#maxsize > 0 && this.#ring.native.count() >= this.#maxsize;
  }

  /**
   * Says that this process will neither put nor get any more. Its tasks that wait get
   * `ERR_TRUEFORK_CLOSED`; values that were put are still delivered. May be called twice.
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const failure = this.#closedError();
    this.#getters.close(failure);
    this.#putters?.close(failure);
  }

  /**
   * Waits until all that this process has put is in shared memory.
   *
   * @returns false after the timeout
   * @throws ProcessError `ERR_TRUEFORK_NOT_CLOSED`
   * @throws AbortError
   */
  async joinThread(options: number | WaitOptions = Infinity): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    this.#assertClosed();
    return this.#backlog.end(timeout, signal);
  }

  /** As {@link joinThread}, and blocks the thread. */
  joinThreadSync(options: number | SyncWaitOptions = Infinity): boolean {
    const timeout = syncTimeout(options);
    this.#assertClosed();
    return this.#backlog.endSync(timeout);
  }

  /** Lets this process end before all that it has put is through: the rest is lost then. */
  cancelJoinThread(): void {
    this.#backlog.letGo();
  }

  /** The values that come, until this process closes the queue. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    while (!this.#isClosed) {
      let value: T;
      try {
        value = await this.get();
      } catch (error) {
        if (this.#isClosed) return;
        throw error;
      }
      yield value;
    }
  }

  /** For `using`: {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** For `await using`: {@link close}, then {@link joinThread}. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.joinThread();
  }

  toString(): string {
    const limit = this.#maxsize > 0 ? ` maxsize=${this.#maxsize}` : '';
    return `<${this.constructor.name} qsize=${this.qsize()}${limit}${this.#isClosed ? ' closed' : ''}>`;
  }

  #use(): void {
    this.#assertOpen();
    this.#isUsed = true;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw this.#closedError();
  }

  #closedError(): ProcessError {
    return new ProcessError('ERR_TRUEFORK_CLOSED', `Queue ${String(this)} is closed`);
  }

  #assertClosed(): void {
    if (this.#isClosed) return;
    throw new ProcessError('ERR_TRUEFORK_NOT_CLOSED', `Queue ${String(this)} not closed`);
  }
}

inspectBy(Queue);
