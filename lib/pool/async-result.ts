// The result of a task of a pool, as a promise and for the thread that blocks.
import { AbortError, ProcessError, TimeoutError } from '../common/errors.js';
import { ignore } from '../common/ignore.js';
import { emitWarning } from '../common/originals.js';
import { thisProcess } from '../common/per-process.js';
import { checkReceivers } from '../common/receivers.js';
import { shown } from '../common/validate.js';
import {
  Deadline,
  syncTimeout,
  waitFor,
  waitOptions,
  type SyncWaitOptions,
  type WaitOptions,
} from '../common/waiting.js';
import { Wakers } from '../common/wakers.js';
import type { Callbacks } from './options.js';

/** Where a result comes from. */
export interface Origin {
  /** Whether this process has made it, and not one that it is a fork of. */
  readonly isOurs: boolean;
  /** @throws ProcessError `ERR_TRUEFORK_NOT_THE_CREATOR` */
  assertOwned(): void;
  /** Runs without the event loop until `isDone`. Returns false if the deadline came first. */
  pump(isDone: () => boolean, deadline: Deadline): boolean;
}

type State = 'pending' | 'fulfilled' | 'rejected';

function messageOf(error: unknown): string {
  return typeof error === 'string' ? error : shown(error);
}

/** Failures that nobody has asked for, until their result is garbage. */
const unseen = new FinalizationRegistry<{ reason: unknown; owner: symbol }>(({ reason, owner }) => {
  // In a child the results of its parent are garbage, too.
  if (owner !== thisProcess) return;
  emitWarning(
    `A task of a pool failed, and nobody asked for its result: ${messageOf(reason)}`,
    'PoolWarning',
  );
});

/**
 * The result of a task, or of all the tasks of a `mapAsync()`: Python's
 * `multiprocessing.pool.AsyncResult`. It can be awaited, any number of times.
 *
 * A failure that nobody asks for does not end the program. It is a warning when the
 * result is garbage.
 */
export class AsyncResult<T> implements PromiseLike<T> {
  readonly #origin: Origin;
  readonly #callbacks: Callbacks<T>;
  #waiters: Wakers | undefined;
  #state: State = 'pending';
  /** The value, or the error. */
  #outcome: unknown;
  #promise: Promise<T> | undefined;
  #isObserved = false;

  /** @internal */
  constructor(origin: Origin, callbacks: Callbacks<T> = {}) {
    this.#origin = origin;
    this.#callbacks = callbacks;
    this.#isObserved = callbacks.errorCallback !== undefined;
  }

  /**
   * The value.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit. They
   *   end the wait and not the task
   * @throws what the task has thrown, WorkerLostError, or why it was not run
   * @throws TimeoutError after the timeout
   * @throws AbortError
   * @throws ProcessError `ERR_TRUEFORK_NOT_THE_CREATOR` in a child that was forked before it was
   *   there
   */
  get(options: number | WaitOptions = {}): Promise<T> {
    const { timeout, signal } = waitOptions(options);
    if (timeout === Infinity && signal === undefined) return this.#settled();
    return this.#within(timeout, signal);
  }

  /** As {@link get}, and blocks the thread. */
  getSync(options: number | SyncWaitOptions = {}): T {
    if (!this.waitSync(options)) throw notInTime();
    if (this.#state === 'rejected') throw this.#outcome;
    return this.#outcome as T;
  }

  /**
   * Waits until the result is there, be it a value or an error.
   *
   * @returns false after the timeout
   * @throws AbortError
   */
  async wait(options: number | WaitOptions = {}): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    this.#observe();
    if (signal?.aborted) throw new AbortError(signal);
    if (this.ready()) return true;
    this.#origin.assertOwned();
    return waitFor((wake) => this.#subscribe(wake), timeout, signal);
  }

  /** As {@link wait}, and blocks the thread. */
  waitSync(options: number | SyncWaitOptions = {}): boolean {
    const timeout = syncTimeout(options);
    this.#observe();
    return this.ready() || this.#origin.pump(() => this.ready(), new Deadline(timeout));
  }

  /** Whether the result is there. */
  ready(): boolean {
    return this.#state !== 'pending';
  }

  /**
   * Whether the result is a value.
   *
   * @throws ProcessError `ERR_TRUEFORK_NOT_READY`
   */
  successful(): boolean {
    this.#observe();
    if (this.ready()) return this.#state === 'fulfilled';
    throw new ProcessError('ERR_TRUEFORK_NOT_READY', 'the result is not ready');
  }

  // oxlint-disable-next-line unicorn/no-thenable -- to be awaited is what it is for
  then<Value = T, Reason = never>(
    onFulfilled?: ((value: T) => Value | PromiseLike<Value>) | null,
    onRejected?: ((reason: unknown) => Reason | PromiseLike<Reason>) | null,
  ): Promise<Value | Reason> {
    return this.#settled().then(onFulfilled, onRejected);
  }

  catch<Reason = never>(
    onRejected?: ((reason: unknown) => Reason | PromiseLike<Reason>) | null,
  ): Promise<T | Reason> {
    return this.#settled().catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.#settled().finally(onFinally);
  }

  /** @internal For the pool, which calls one of these, and once. */
  fulfill(value: T): void {
    try {
      this.#callbacks.callback?.(value);
    } catch (error) {
      this.#fail(error, false);
      return;
    }
    this.#settle('fulfilled', value);
  }

  /**
   * @internal For the pool.
   *
   * @param isExpected whether it need not be reported as unhandled where nobody asks for it
   */
  reject(error: unknown, isExpected: boolean): void {
    try {
      this.#callbacks.errorCallback?.(error);
    } catch (another) {
      emitWarning(another instanceof Error ? another : String(another));
    }
    this.#fail(error, isExpected);
  }

  #fail(reason: unknown, isExpected: boolean): void {
    this.#settle('rejected', reason);
    if (isExpected) this.#promise?.catch(ignore);
    else if (!this.#isObserved) unseen.register(this, { reason, owner: thisProcess }, this);
  }

  #settle(state: State, outcome: unknown): void {
    this.#state = state;
    this.#outcome = outcome;
    this.#waiters?.wakeAll();
    this.#waiters = undefined;
  }

  #observe(): void {
    if (this.#isObserved) return;
    this.#isObserved = true;
    unseen.unregister(this);
  }

  #subscribe(wake: () => void): () => void {
    return (this.#waiters ??= new Wakers()).subscribe(wake);
  }

  #settled(): Promise<T> {
    this.#observe();
    // A forked child has a copy that nobody will settle.
    if (!this.ready() && !this.#origin.isOurs) this.#promise = undefined;
    this.#promise ??= new Promise((resolve, reject) => {
      const settle = (): void => {
        if (this.#state === 'fulfilled') resolve(this.#outcome as T);
        else reject(this.#outcome);
      };
      if (this.ready()) {
        settle();
        return;
      }
      this.#origin.assertOwned();
      this.#subscribe(settle);
    });
    return this.#promise;
  }

  async #within(timeout: number, signal: AbortSignal | undefined): Promise<T> {
    if (!(await this.wait({ timeout, signal }))) throw notInTime();
    return this.#settled();
  }

  static {
    checkReceivers(this, (object) => #origin in object);
  }
}

function notInTime(): TimeoutError {
  return new TimeoutError('the result was not ready in time');
}
