// multiprocessing.SimpleQueue.
import { Empty, Full, ProcessError } from '../common/errors.js';
import { inspectBy } from '../common/inspection.js';
import { checkReceivers } from '../common/receivers.js';
import {
  syncTimeout,
  type SyncWaitOptions,
  type WaitOptions,
  waitOptions,
} from '../common/waiting.js';
import type { Ring } from '../native/queue.js';
import { GetLine } from './get-line.js';
import { PutLine } from './put-line.js';
import { type QueueOptions, sizeOf } from './queue.js';
import { NOTHING, ownRing, SharedRing } from './ring.js';
import { makeQueueShareable, note } from './sending.js';

/**
 * A {@link Queue} with less to it, as Python's `multiprocessing.SimpleQueue`: its only limit
 * is its memory, and when that is full `put` waits. So a process never has items left to put
 * when it ends.
 */
export class SimpleQueue<T = unknown> {
  readonly #ring: SharedRing;
  readonly #getters: GetLine;
  readonly #putters: PutLine;
  #isClosed = false;

  /** @throws SystemError `ENOMEM` */
  constructor(options?: QueueOptions);
  /** @internal Over memory that is there. */
  constructor(options?: QueueOptions, ring?: Ring);
  constructor(options: QueueOptions = {}, ring?: Ring) {
    this.#ring = new SharedRing(ownRing(ring, sizeOf(options), 0));
    this.#getters = new GetLine(this.#ring);
    this.#putters = new PutLine(this.#ring);
    note(this, this.#ring);
  }

  /**
   * Puts a value; waits while there is no memory for it in the queue.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit
   * @throws Full after the timeout
   * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE`, `ERR_TRUEFORK_CLOSED`
   * @throws AbortError
   */
  async put(value: T, options: number | WaitOptions = Infinity): Promise<void> {
    const { timeout, signal } = waitOptions(options);
    this.#assertOpen();
    if (!(await this.#putters.put(value, timeout, signal))) throw new Full();
  }

  /** As {@link put}, and blocks the thread. */
  putSync(value: T, options: number | SyncWaitOptions = Infinity): void {
    const timeout = syncTimeout(options);
    this.#assertOpen();
    if (!this.#putters.putSync(value, timeout)) throw new Full();
  }

  /** Takes the next value out: see {@link Queue.get}. */
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

  /** Whether there is nothing in it at this moment. @throws ProcessError `ERR_TRUEFORK_CLOSED` */
  empty(): boolean {
    this.#assertOpen();
    return this.#ring.native.isEmpty();
  }

  /** Says that this process uses it no more. May be called twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#getters.close(this.#closedError());
    this.#putters.close(this.#closedError());
  }

  /** For `using`: {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  toString(): string {
    return `<${this.constructor.name}${this.#isClosed ? ' closed' : ''}>`;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw this.#closedError();
  }

  #closedError(): ProcessError {
    return new ProcessError('ERR_TRUEFORK_CLOSED', 'the queue is closed');
  }

  static {
    checkReceivers(this, (object) => #ring in object);
    makeQueueShareable<SimpleQueue>(
      SimpleQueue,
      (queue) => queue.#ring,
      (ring) => new SimpleQueue({}, ring),
    );
  }
}

inspectBy(SimpleQueue);
