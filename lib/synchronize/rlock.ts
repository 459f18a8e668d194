// multiprocessing.RLock.
import { AsyncLocalStorage } from 'node:async_hooks';
import { ProcessError } from '../common/errors.js';
import { inspectBy } from '../common/inspection.js';
import { checkReceivers } from '../common/receivers.js';
import { assertFunction } from '../common/validate.js';
import {
  syncTimeout,
  type SyncWaitOptions,
  type WaitOptions,
  waitOptions,
} from '../common/waiting.js';
import { OWNER_DIED, TIMED_OUT } from '../futex/outcome.js';
import { lockerId } from '../futex/robust-list.js';
import { LOCK_SIZE, SharedLock } from '../futex/shared-lock.js';
import type { Block, PlaceParts } from '../memory/heap.js';
import { receiveObject, sendObject } from '../memory/shared-objects.js';
import { makeShareable } from '../serialize/shareables.js';
import { releaseBy, timedOut, withLockSync } from './with.js';

/** One call of {@link RLock.with}, and those that it was called in. */
interface Task {
  readonly outer: Task | undefined;
}

const tasks = new AsyncLocalStorage<Task>();

/** How often the lock was acquired, and in which call of `with()`: undefined for none. */
interface Ownership {
  task: Task | undefined;
  count: number;
}

/**
 * A lock that its owner can acquire again and again, as Python's `multiprocessing.RLock`; it is
 * free when it was released as often.
 *
 * The owner is the process, which has one thread where Python has many: two tasks of one
 * process that use `acquire()` do not exclude each other. Two that use {@link with} do: within
 * `fn`, and everything that it awaits, the owner is that call.
 *
 * When the owner dies the next one gets the lock, as with {@link Lock}.
 */
export class RLock {
  readonly #lock: SharedLock;
  #ownership: Ownership = { task: undefined, count: 0 };
  #recovered = false;

  constructor();
  /** @internal Over memory that is there. */
  constructor(block?: Block);
  constructor(block?: Block) {
    this.#lock = SharedLock.owning(block);
  }

  /**
   * Waits until no other owner holds the lock, and takes it.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit
   * @returns false after the timeout
   * @throws AbortError
   */
  async acquire(options: number | WaitOptions = Infinity): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    if (this.#acquireAgain()) return true;
    const outcome = this.#lock.acquire(timeout, signal);
    return this.#note(typeof outcome === 'number' ? outcome : await outcome, undefined);
  }

  /** As {@link acquire}, and blocks the thread. With a timeout of 0 it only tries. */
  acquireSync(options: number | SyncWaitOptions = Infinity): boolean {
    const timeout = syncTimeout(options);
    if (this.#acquireAgain()) return true;
    return this.#note(this.#lock.acquireSync(timeout), undefined);
  }

  /** @throws ProcessError `ERR_TRUEFORK_NOT_OWNED` */
  release(): void {
    if (!this.isOwned()) {
      throw new ProcessError(
        'ERR_TRUEFORK_NOT_OWNED',
        'attempt to release recursive lock not owned by thread',
      );
    }
    if (--this.#ownership.count === 0) this.#lock.release();
  }

  /** Whether any process holds it. */
  locked(): boolean {
    return this.#lock.isHeld;
  }

  /** As {@link Lock.recovered}. */
  get recovered(): boolean {
    return this.#recovered;
  }

  /**
   * Calls `fn` while it holds the lock, and until its promise is settled. Waits as
   * {@link acquire}, also for other tasks of this process.
   */
  async with<T>(fn: () => T, options: number | WaitOptions = Infinity): Promise<Awaited<T>> {
    assertFunction(fn, 'fn');
    const { timeout, signal } = waitOptions(options);
    const isOwned = this.#acquireAgain();
    const task: Task = { outer: tasks.getStore() };
    if (!isOwned) {
      const isOurs = this.#note(await this.#lock.acquire(timeout, signal), task);
      if (!isOurs) throw timedOut();
    }
    const holder = lockerId;
    return tasks.run(task, async (): Promise<Awaited<T>> => {
      try {
        return await fn();
      } finally {
        releaseBy(holder, this);
      }
    });
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
    const count = this.#lock.isHeldHere ? this.#ownership.count : this.#lock.isHeld ? 'nonzero' : 0;
    return `<RLock(owner=${this.#lock.owner ?? 'None'}, count=${count})>`;
  }

  /** @internal Whether it is held by this process, in this call of `with()` or by all of it. */
  isOwned(): boolean {
    return this.#ownership.count > 0 && this.#lock.isHeldHere && this.#isWithin();
  }

  /** @internal For Condition. @returns what {@link acquireAgain} needs */
  releaseAll(): object {
    const ownership = this.#disown();
    this.#lock.release();
    return ownership;
  }

  /** @internal For Condition: {@link releaseAll} before {@link acquireAgainSync}. */
  releaseAllToWait(): object {
    const ownership = this.#disown();
    this.#lock.releaseToWait();
    return ownership;
  }

  /** @internal For Condition. */
  async acquireAgain(ownership: object | undefined): Promise<void> {
    const outcome = await this.#lock.acquire(Infinity, undefined);
    this.#restore(outcome, ownership as Ownership);
  }

  /** @internal For Condition. */
  acquireAgainSync(ownership: object | undefined): void {
    this.#restore(this.#lock.acquireSync(Infinity), ownership as Ownership);
  }

  #disown(): Ownership {
    const ownership = this.#ownership;
    this.#ownership = { task: undefined, count: 0 };
    return ownership;
  }

  #restore(outcome: number, ownership: Ownership): void {
    this.#recovered = outcome === OWNER_DIED;
    this.#ownership = ownership;
  }

  #isWithin(): boolean {
    const { task: owner } = this.#ownership;
    if (owner === undefined) return true;
    for (let task = tasks.getStore(); task !== undefined; task = task.outer) {
      if (task === owner) return true;
    }
    return false;
  }

  #acquireAgain(): boolean {
    if (!this.isOwned()) return false;
    this.#ownership.count++;
    return true;
  }

  #note(outcome: number, task: Task | undefined): boolean {
    if (outcome === TIMED_OUT) return false;
    this.#recovered = outcome === OWNER_DIED;
    this.#ownership.task = task;
    this.#ownership.count = 1;
    return true;
  }

  static {
    checkReceivers(this, (object) => #lock in object);
    makeShareable<RLock, PlaceParts>('RLock', RLock, {
      toParts: (lock, attachments) => sendObject(lock, lock.#lock.block, attachments),
      fromParts: (place, delivered) =>
        receiveObject(RLock, place, LOCK_SIZE, delivered, (block) => new RLock(block)),
    });
  }
}

inspectBy(RLock);
