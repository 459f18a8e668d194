// multiprocessing.Semaphore and BoundedSemaphore.
import { ProcessError } from '../common/errors.js';
import { inspectBy } from '../common/inspection.js';
import { checkReceivers } from '../common/receivers.js';
import { assertInteger } from '../common/validate.js';
import {
  syncTimeout,
  type SyncWaitOptions,
  type WaitOptions,
  waitOptions,
} from '../common/waiting.js';
import { DONE } from '../futex/outcome.js';
import { LOCK_SIZE } from '../futex/shared-lock.js';
import { SharedSemaphore } from '../futex/shared-semaphore.js';
import type { Block, PlaceParts } from '../memory/heap.js';
import { receiveObject, sendObject } from '../memory/shared-objects.js';
import { makeShareable } from '../serialize/shareables.js';
import { withLock, withLockSync } from './with.js';

/** CPython's SEM_VALUE_MAX: the most permits that there can be. */
const MAX_VALUE = 2 ** 31 - 1;

/**
 * A number of permits that processes share, as Python's `multiprocessing.Semaphore`. Children
 * that are forked after it was made share it.
 *
 * A process that dies while it waits costs no permit. One that dies with a permit takes it with
 * it, as in Python: a permit has no owner.
 */
export class Semaphore {
  readonly #semaphore: SharedSemaphore;

  /** @param value how many permits there are at first; default: 1 */
  constructor(value?: number);
  /** @internal Over memory that is there. */
  constructor(value?: number, block?: Block);
  constructor(value = 1, block?: Block) {
    assertInteger(value, 'value', 0, MAX_VALUE);
    this.#semaphore = new SharedSemaphore(value, block);
  }

  /**
   * Waits for a permit, and takes it. Takes no system call if there is one.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit
   * @returns false after the timeout
   * @throws AbortError
   */
  async acquire(options: number | WaitOptions = Infinity): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    const outcome = this.#semaphore.acquire(timeout, signal);
    return (typeof outcome === 'number' ? outcome : await outcome) === DONE;
  }

  /** As {@link acquire}, and blocks the thread. With a timeout of 0 it only tries. */
  acquireSync(options: number | SyncWaitOptions = Infinity): boolean {
    const timeout = syncTimeout(options);
    return this.#semaphore.acquireSync(timeout) === DONE;
  }

  /**
   * Adds a permit.
   *
   * @throws ProcessError `ERR_TRUEFORK_TOO_MANY_RELEASES` above 2³¹ − 1 permits; of a
   *   BoundedSemaphore, above its first value
   */
  release(): void {
    if (this.#semaphore.release(this.maxValue)) return;
    throw new ProcessError(
      'ERR_TRUEFORK_TOO_MANY_RELEASES',
      'semaphore or lock released too many times',
    );
  }

  /** How many permits there are at this moment. */
  getValue(): number {
    return this.#semaphore.value;
  }

  /** Calls `fn` with a permit, and until its promise is settled. Waits as {@link acquire}. */
  with<T>(fn: () => T, options?: number | WaitOptions): Promise<Awaited<T>> {
    return withLock(this, fn, options);
  }

  /** Calls `fn` with a permit. Waits as {@link acquireSync}. */
  withSync<T>(fn: () => T, options?: number | SyncWaitOptions): T {
    return withLockSync(this, fn, options);
  }

  /** For `using`: {@link release}. */
  [Symbol.dispose](): void {
    this.release();
  }

  toString(): string {
    return `<${this.constructor.name}(value=${this.getValue()})>`;
  }

  /** @internal */
  protected get maxValue(): number {
    return MAX_VALUE;
  }

  /** @internal */
  protected static blockOf(semaphore: Semaphore): Block {
    return semaphore.#semaphore.block;
  }

  static {
    checkReceivers(this, (object) => #semaphore in object);
    makeShareable<Semaphore, PlaceParts>('Semaphore', Semaphore, {
      toParts: (semaphore, attachments) =>
        sendObject(semaphore, semaphore.#semaphore.block, attachments),
      fromParts: (place, delivered) =>
        receiveObject(Semaphore, place, LOCK_SIZE, delivered, (block) => new Semaphore(1, block)),
    });
  }
}

/**
 * A {@link Semaphore} that never has more permits than at first: one release too many is an
 * error where it happens.
 */
export class BoundedSemaphore extends Semaphore {
  readonly #maxValue: number;

  /** @param value how many permits there are at first, and at most; default: 1 */
  constructor(value?: number);
  /** @internal Over memory that is there. */
  constructor(value?: number, block?: Block);
  constructor(value = 1, block?: Block) {
    super(value, block);
    this.#maxValue = value;
  }

  override toString(): string {
    return `<BoundedSemaphore(value=${this.getValue()}, maxvalue=${this.#maxValue})>`;
  }

  protected override get maxValue(): number {
    return this.#maxValue;
  }

  static {
    checkReceivers(this, (object) => #maxValue in object);
    makeShareable<BoundedSemaphore, { place: PlaceParts; maxValue: number }>(
      'BoundedSemaphore',
      BoundedSemaphore,
      {
        toParts(semaphore, attachments) {
          const place = sendObject(semaphore, Semaphore.blockOf(semaphore), attachments);
          return { place, maxValue: semaphore.#maxValue };
        },
        fromParts: ({ place, maxValue }, delivered) =>
          receiveObject(
            BoundedSemaphore,
            place,
            LOCK_SIZE,
            delivered,
            (block) => new BoundedSemaphore(maxValue, block),
          ),
      },
    );
  }
}

inspectBy(Semaphore);
