// multiprocessing.Lock.
import { ProcessError } from '../common/errors.js';
import { inspectBy } from '../common/inspection.js';
import { checkReceivers } from '../common/receivers.js';
import {
  syncTimeout,
  type SyncWaitOptions,
  type WaitOptions,
  waitOptions,
} from '../common/waiting.js';
import { OWNER_DIED, TIMED_OUT } from '../futex/outcome.js';
import { LOCK_SIZE, SharedLock } from '../futex/shared-lock.js';
import type { Block, PlaceParts } from '../memory/heap.js';
import { receiveObject, sendObject } from '../memory/shared-objects.js';
import { makeShareable } from '../serialize/shareables.js';
import { withLock, withLockSync } from './with.js';

/**
 * A lock between processes, as Python's `multiprocessing.Lock`. Children that are forked
 * after it was made share it.
 *
 * Not recursive: who acquires it twice waits for itself. Any process may release it, as in
 * Python; one that is used so, as a signal, has no owner whose death could matter.
 *
 * If the process that holds it dies, however it dies, the next one gets it at once, and
 * {@link recovered} is true there: what the lock protects may be half done. (Where the kernel
 * has no robust futexes, on macOS, it stays locked.)
 *
 * In a child that is forked while its parent holds the lock, the parent still does. Nobody of
 * the child waits for it.
 *
 * Tasks of one process that wait with `acquire()` get it in the order in which they came.
 *
 * @example
 * ```ts
 * const lock = new Lock();
 * await lock.with(async () => {
 *   // one process at a time
 * });
 * ```
 */
export class Lock {
  readonly #lock: SharedLock;
  #recovered = false;

  constructor();
  /** @internal Over memory that is there. */
  constructor(block?: Block);
  constructor(block?: Block) {
    this.#lock = SharedLock.owning(block);
  }

  /**
   * Waits until the lock is free, and takes it. Takes no system call if it is.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit
   * @returns false after the timeout
   * @throws AbortError
   */
  async acquire(options: number | WaitOptions = Infinity): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    const outcome = this.#lock.acquire(timeout, signal);
    return this.#note(typeof outcome === 'number' ? outcome : await outcome);
  }

  /** As {@link acquire}, and blocks the thread. With a timeout of 0 it only tries. */
  acquireSync(options: number | SyncWaitOptions = Infinity): boolean {
    const timeout = syncTimeout(options);
    return this.#note(this.#lock.acquireSync(timeout));
  }

  /** @throws ProcessError `ERR_TRUEFORK_NOT_LOCKED` if nobody holds it */
  release(): void {
    if (this.#lock.isHeldHere) {
      this.#lock.release();
    } else if (!this.#lock.releaseOfAnother()) {
      throw new ProcessError(
        'ERR_TRUEFORK_NOT_LOCKED',
        'semaphore or lock released too many times',
      );
    }
  }

  /** Whether any process holds it. */
  locked(): boolean {
    return this.#lock.isHeld;
  }

  /**
   * Whether this process, when it last acquired the lock, got it from one that had died with
   * it.
   */
  get recovered(): boolean {
    return this.#recovered;
  }

  /**
   * Calls `fn` while it holds the lock, and until its promise is settled. Waits as {@link acquire}.
   */
  with<T>(fn: () => T, options?: number | WaitOptions): Promise<Awaited<T>> {
    return withLock(this, fn, options);
  }

  /** Calls `fn` while it holds the lock. Waits as {@link acquireSync}. */
  withSync<T>(fn: () => T, options?: number | SyncWaitOptions): T {
    return withLockSync(this, fn, options);
  }

  /** For `using`: {@link release}, except in a child that was forked meanwhile. */
  [Symbol.dispose](): void {
    if (!this.#lock.isHeldByParent) this.release();
  }

  toString(): string {
    return `<Lock(owner=${this.#lock.owner ?? 'None'})>`;
  }

  /** @internal For Condition. */
  isOwned(): boolean {
    return this.#lock.isHeldHere;
  }

  /** @internal For Condition. @returns what {@link acquireAgain} needs */
  releaseAll(): object | undefined {
    this.#lock.release();
    return undefined;
  }

  /** @internal For Condition: {@link releaseAll} before {@link acquireAgainSync}. */
  releaseAllToWait(): object | undefined {
    this.#lock.releaseToWait();
    return undefined;
  }

  /** @internal For Condition. */
  async acquireAgain(): Promise<void> {
    this.#note(await this.#lock.acquire(Infinity, undefined));
  }

  /** @internal For Condition. */
  acquireAgainSync(): void {
    this.#note(this.#lock.acquireSync(Infinity));
  }

  #note(outcome: number): boolean {
    if (outcome === TIMED_OUT) return false;
    this.#recovered = outcome === OWNER_DIED;
    return true;
  }

  static {
    checkReceivers(this, (object) => #lock in object);
    makeShareable<Lock, PlaceParts>('Lock', Lock, {
      toParts: (lock, attachments) => sendObject(lock, lock.#lock.block, attachments),
      fromParts: (place, delivered) =>
        receiveObject(Lock, place, LOCK_SIZE, delivered, (block) => new Lock(block)),
    });
  }
}

inspectBy(Lock);
