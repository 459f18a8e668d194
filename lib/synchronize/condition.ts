// multiprocessing.Condition.
import { ProcessError } from '../common/errors.js';
import { type Entry, Fifo } from '../common/fifo.js';
import { inspectBy } from '../common/inspection.js';
import { PerProcess } from '../common/per-process.js';
import { checkReceivers, isMadeBy } from '../common/receivers.js';
import { assertFunction, assertInteger, assertType } from '../common/validate.js';
import {
  Deadline,
  syncTimeout,
  type SyncWaitOptions,
  throwIfAborted,
  type WaitOptions,
  waitOptions,
} from '../common/waiting.js';
import { ChangeWaiters, type Words, wakeAll } from '../futex/change.js';
import { begin, bell, end } from '../futex/robust-list.js';
import { SLOTS, WaiterSlots, sizeOfSlots, tooManyWaiters } from '../futex/waiter-slots.js';
import type { Block, PlaceParts } from '../memory/heap.js';
import { receiveObject, sendObject } from '../memory/shared-objects.js';
import { makeShareable } from '../serialize/shareables.js';
import { Lock } from './lock.js';
import { RLock } from './rlock.js';
import { withLock, withLockSync } from './with.js';

// The word of a slot: how many of its process wait, and how many of these were notified and do not
// know it yet, 16 bits each. They sleep on that very word, so that a notification by a process that
// dies then is not missed by one that is about to sleep.
const TALLY = 0;
const ONE_WAITS = 1;
const ONE_NOTIFIED = 0x10000;
const WAITING = 0xffff;
const BELL = 1;

function notifiedOf(tally: number): number {
  return tally >>> 16;
}

interface Waiter {
  isNotified: boolean;
  place?: Entry<Waiter>;
}

/**
 * A condition that processes wait for and tell each other about, as Python's
 * `multiprocessing.Condition`. Children that are forked after it was made share it, and its lock.
 *
 * `wait` and `notify` are called with the lock held. A process that dies while it waits is not
 * counted any more: `notify` wakes another. At most 124 processes can wait at the same time, each
 * in as many tasks as it likes.
 *
 * @example
 * ```ts
 * await condition.with(async () => {
 *   await condition.waitFor(() => items.value > 0);
 * });
 * ```
 */
export class Condition {
  readonly #lock: Lock | RLock;
  readonly #slots: WaiterSlots;
  readonly #notes: ChangeWaiters<Waiter>;
  /** Of this process, in the order in which they came. */
  readonly #own = new PerProcess(() => new Fifo<Waiter>());
  /** Whom to notify first, so that it is not always the same. */
  #next = 0;

  /** @param lock default: an {@link RLock} of its own */
  constructor(lock?: Lock | RLock);
  /** @internal Over memory that is there. */
  constructor(lock?: Lock | RLock, block?: Block);
  constructor(lock: Lock | RLock = new RLock(), block?: Block) {
    const isLock = isMadeBy(Lock, lock) || isMadeBy(RLock, lock);
    assertType(isLock, 'lock', 'a Lock or an RLock', lock);
    this.#lock = lock;
    this.#slots = new WaiterSlots(0, block);
    this.#notes = new ChangeWaiters<Waiter>(this.#slots.buffer, {
      words: () => this.#announce(),
      isOver: (waiter) => this.#isNotified(waiter),
      look: () => this.#passOnNotifications(),
    });
  }

  /** Acquires the lock: see {@link Lock.acquire}. */
  acquire(options?: number | WaitOptions): Promise<boolean> {
    return this.#lock.acquire(options);
  }

  /** As {@link acquire}, and blocks the thread. */
  acquireSync(options?: number | SyncWaitOptions): boolean {
    return this.#lock.acquireSync(options);
  }

  /** Releases the lock. */
  release(): void {
    this.#lock.release();
  }

  /** Calls `fn` while it holds the lock: see {@link Lock.with}. */
  with<T>(fn: () => T, options?: number | WaitOptions): Promise<Awaited<T>> {
    return this.#lock instanceof RLock
      ? this.#lock.with(fn, options)
      : withLock(this.#lock, fn, options);
  }

  /** Calls `fn` while it holds the lock: see {@link Lock.withSync}. */
  withSync<T>(fn: () => T, options?: number | SyncWaitOptions): T {
    return withLockSync(this.#lock, fn, options);
  }

  /**
   * Releases the lock, waits to be notified, and acquires the lock again, however long that
   * takes, also after the timeout or an abort.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit
   * @returns false after the timeout
   * @throws ProcessError `ERR_TRUEFORK_NOT_OWNED`, `ERR_TRUEFORK_TOO_MANY_WAITERS`
   * @throws AbortError unless it was notified before it could leave
   */
  async wait(options: number | WaitOptions = Infinity): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    throwIfAborted(signal);
    const waiter = this.#join();
    const state = this.#lock.releaseAll();
    try {
      await this.#notes.waitUntil(waiter, timeout, signal);
    } catch (error) {
      this.#leave(waiter);
      // Nobody else would get the notification.
      if (!waiter.isNotified) throw error;
    } finally {
      this.#leave(waiter);
      await this.#lock.acquireAgain(state);
    }
    return waiter.isNotified;
  }

  /** As {@link wait}, and blocks the thread. */
  waitSync(options: number | SyncWaitOptions = Infinity): boolean {
    const timeout = syncTimeout(options);
    const waiter = this.#join();
    const state = this.#lock.releaseAllToWait();
    this.#notes.waitUntilSync(waiter, timeout);
    this.#leave(waiter);
    this.#lock.acquireAgainSync(state);
    return waiter.isNotified;
  }

  /**
   * {@link wait}s until `predicate()` returns something true. It is called with the lock held.
   *
   * @returns what it returned last, be it after the timeout
   */
  async waitFor<T>(predicate: () => T, options: number | WaitOptions = Infinity): Promise<T> {
    assertFunction(predicate, 'predicate');
    const { timeout, signal } = waitOptions(options);
    const deadline = new Deadline(timeout);
    let result = predicate();
    while (!result && !deadline.isOver) {
      await this.wait({ timeout: deadline.left, signal });
      result = predicate();
    }
    return result;
  }

  /** As {@link waitFor}, and blocks the thread. */
  waitForSync<T>(predicate: () => T, options: number | SyncWaitOptions = Infinity): T {
    assertFunction(predicate, 'predicate');
    const deadline = new Deadline(syncTimeout(options));
    let result = predicate();
    while (!result && !deadline.isOver) {
      this.waitSync(deadline.left);
      result = predicate();
    }
    return result;
  }

  /**
   * Wakes up to `n` of those who wait; they go on when they have the lock.
   *
   * @throws ProcessError `ERR_TRUEFORK_NOT_OWNED`
   */
  notify(n = 1): void {
    assertInteger(n, 'n', 0);
    this.#notify(n);
  }

  /** Wakes all who wait. Throws as {@link notify} does. */
  notifyAll(): void {
    this.#notify(Infinity);
  }

  /** For `using`: {@link release}, except in a child that was forked meanwhile. */
  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }

  toString(): string {
    return `<Condition(${String(this.#lock)}, ${this.#countWaiting()})>`;
  }

  #notify(n: number): void {
    if (!this.#lock.isOwned()) {
      throw new ProcessError('ERR_TRUEFORK_NOT_OWNED', 'lock is not owned');
    }
    const first = this.#next;
    let left = n;
    for (let step = 0; step < SLOTS && left > 0; step++) {
      left -= this.#notifySlot((first + step) % SLOTS, left);
    }
  }

  /** @returns how many were notified */
  #notifySlot(slot: number, most: number): number {
    if (!this.#slots.isTaken(slot)) return 0;
    begin(bell(this.#slots.buffer, this.#slots.offsetOfNote(slot, BELL)));
    const count = this.#addNotified(slot, most);
    if (count > 0) {
      this.#next = slot + 1;
      wakeAll(this.#slots.buffer, this.#slots.offsetOfNote(slot, TALLY));
    }
    end();
    return count;
  }

  #addNotified(slot: number, most: number): number {
    for (;;) {
      const tally = this.#slots.load(slot, TALLY);
      const count = Math.min(most, (tally & WAITING) - notifiedOf(tally));
      if (count <= 0) return 0;
      if (this.#slots.replace(slot, TALLY, tally, tally + count * ONE_NOTIFIED)) return count;
    }
  }

  #join(): Waiter {
    if (!this.#lock.isOwned()) {
      throw new ProcessError(
        'ERR_TRUEFORK_NOT_OWNED',
        'must acquire() condition before using wait()',
      );
    }
    if (this.#waiters.length === WAITING) throw tooManyWaiters();
    this.#slots.add(this.#slots.take(), TALLY, ONE_WAITS);
    const waiter: Waiter = { isNotified: false };
    waiter.place = this.#waiters.push(waiter);
    return waiter;
  }

  get #waiters(): Fifo<Waiter> {
    return this.#own.value;
  }

  #isNotified(waiter: Waiter): boolean {
    this.#passOnNotifications();
    return waiter.isNotified;
  }

  /** Gives those who came first what notifications there are. */
  #passOnNotifications(): void {
    while (this.#takeNotification()) {
      const first = this.#waiters.shift()!;
      first.isNotified = true;
      this.#notes.wake(first);
    }
  }

  #takeNotification(): boolean {
    const slot = this.#slots.own;
    if (slot === undefined) return false;
    for (;;) {
      const tally = this.#slots.load(slot, TALLY);
      if (notifiedOf(tally) === 0) return false;
      if (this.#slots.replace(slot, TALLY, tally, tally - ONE_NOTIFIED - ONE_WAITS)) return true;
    }
  }

  #leave(waiter: Waiter): void {
    const place = waiter.place!;
    while (this.#waiters.has(place) && !this.#isNotified(waiter) && !this.#withdraw(place));
    if (this.#waiters.length === 0) this.#slots.leave();
  }

  /** @returns false if a notification has come meanwhile */
  #withdraw(place: Entry<Waiter>): boolean {
    const slot = this.#slots.own!;
    const tally = this.#slots.load(slot, TALLY);
    if (notifiedOf(tally) > 0) return false;
    if (!this.#slots.replace(slot, TALLY, tally, tally - ONE_WAITS)) return false;
    return this.#waiters.remove(place);
  }

  #announce(): Words {
    const slot = this.#slots.own;
    if (slot === undefined) return [];
    const tally = this.#slots.load(slot, TALLY);
    return [this.#slots.offsetOfNote(slot, TALLY), tally, this.#slots.offsetOfNote(slot, BELL), 0];
  }

  #countWaiting(): number {
    let count = 0;
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.#slots.isTaken(slot)) count += this.#slots.load(slot, TALLY) & WAITING;
    }
    return count;
  }

  static {
    checkReceivers(this, (object) => #lock in object);
    makeShareable<Condition, { place: PlaceParts; lock: Lock | RLock }>('Condition', Condition, {
      toParts(condition, attachments) {
        const place = sendObject(condition, condition.#slots.block, attachments);
        return { place, lock: condition.#lock };
      },
      fromParts({ place, lock }, delivered) {
        const make = (block: Block): Condition => new Condition(lock, block);
        return receiveObject(Condition, place, sizeOfSlots(0), delivered, make);
      },
    });
  }
}

inspectBy(Condition);
