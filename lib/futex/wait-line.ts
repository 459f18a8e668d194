// The waits of this process for a lock or a semaphore that do not block the thread. A waiter thread
// waits for the first of them; they are served in the order in which they came.
import { Fifo } from '../common/fifo.js';
import { clearTimeout, queueMicrotask, setTimeout } from '../common/originals.js';
import { thisProcess } from '../common/per-process.js';
import { waitFor } from '../common/waiting.js';
import type { WaiterThread } from '../native/waiter.js';
import { DONE, OWNER_DIED, TIMED_OUT } from './outcome.js';
import { type PendingWait, send } from './waiter-threads.js';

export function wasTaken(outcome: number): boolean {
  return outcome === DONE || outcome === OWNER_DIED;
}

interface Waiter {
  wake: () => void;
  outcome: number;
  failure: unknown;
}

/** The lock or semaphore that is waited for. */
export interface Acquirable {
  /** Tells a waiter thread to get it. */
  begin(thread: WaiterThread): number;
  /** Makes it this thread's. */
  take(thread: WaiterThread): void;
  /** For a acquirable that nobody wants any more, with the outcome that brought it. */
  giveBack(outcome: number): void;
  /** Has a waiter thread sent for the next one, now or later. */
  awaitNext(): void;
}

export class WaitLine {
  readonly #acquirable: Acquirable;
  #waiters = new Fifo<Waiter>();
  #pending: PendingWait | undefined;
  /** Until a waiter thread is sent. */
  #delay: NodeJS.Timeout | undefined;
  /** The process whose line this is: that of a forked child is empty. */
  #owner = thisProcess;

  constructor(acquirable: Acquirable) {
    this.#acquirable = acquirable;
  }

  /** If so it is empty; if not look at {@link isEmpty}. For paths where each nanosecond counts. */
  get isIdle(): boolean {
    return this.#waiters.length === 0;
  }

  get isEmpty(): boolean {
    this.#forgetParent();
    return this.#waiters.length === 0;
  }

  /**
   * @param whenFirst called if nobody else is in the line
   * @returns DONE, OWNER_DIED or TIMED_OUT
   */
  async wait(
    timeout: number,
    signal: AbortSignal | undefined,
    whenFirst: () => void,
  ): Promise<number> {
    const waiter: Waiter = { wake: () => {}, outcome: TIMED_OUT, failure: undefined };
    const subscribe = (wake: () => void): (() => void) => {
      waiter.wake = wake;
      const isFirst = this.isEmpty;
      const place = this.#waiters.push(waiter);
      if (isFirst) whenFirst();
      return () => {
        this.#waiters.remove(place);
        this.#restIfEmpty();
      };
    };
    await waitFor(subscribe, timeout, signal);
    if (waiter.failure !== undefined) throw waiter.failure;
    return waiter.outcome;
  }

  /** Sends a waiter thread, unless one is on its way. */
  startWaiting(): void {
    if (this.isEmpty || this.#pending !== undefined) return;
    try {
      this.#pending = send(
        (thread) => this.#acquirable.begin(thread),
        (outcome, thread) => this.#receive(outcome, thread),
      );
    } catch (failure) {
      for (const waiter of this.#waiters.takeAll()) {
        waiter.failure = failure;
        queueMicrotask(() => waiter.wake()); // one that is just joining cannot be woken yet
      }
    }
  }

  /** Sends one after so many milliseconds, if somebody is in the line then. */
  startWaitingAfter(delay: number): void {
    if (this.isEmpty || this.#pending !== undefined) return;
    this.#delay ??= setTimeout(() => {
      this.#delay = undefined;
      this.startWaiting();
    }, delay);
  }

  /**
   * Calls the waiter thread back, for the thread to wait itself: it could not take over what the
   * waiter thread gets meanwhile.
   *
   * @returns the outcome, if the waiter thread got it: then it is the caller's
   */
  recallThread(): number | undefined {
    this.#forgetParent();
    const pending = this.#pending;
    this.#pending = undefined;
    let taken: number | undefined;
    pending?.recall((outcome, thread) => {
      if (!wasTaken(outcome)) return;
      this.#acquirable.take(thread);
      taken = outcome;
    });
    return taken;
  }

  /** Gives the first what this thread has got. */
  serveFirst(outcome: number): void {
    const waiter = this.#waiters.shift()!;
    this.#restIfEmpty();
    waiter.outcome = outcome;
    waiter.wake();
    if (!this.isEmpty) this.#acquirable.awaitNext();
  }

  #receive(outcome: number, thread: WaiterThread): void {
    this.#pending = undefined;
    if (wasTaken(outcome)) {
      this.#acquirable.take(thread);
      if (this.isEmpty) this.#acquirable.giveBack(outcome);
      else this.serveFirst(outcome);
    } else {
      this.startWaiting(); // it was cancelled, and somebody else has come since
    }
  }

  /**
   * Nobody here wants any more what the waiter thread may have got: others must not wait for this
   * loop.
   */
  #restIfEmpty(): void {
    if (this.#waiters.length > 0) return;
    clearTimeout(this.#delay);
    this.#delay = undefined;
    const outcome = this.recallThread();
    if (outcome !== undefined) this.#acquirable.giveBack(outcome);
  }

  #forgetParent(): void {
    if (this.#owner === thisProcess) return;
    this.#owner = thisProcess;
    this.#waiters = new Fifo();
    this.#pending = undefined;
    this.#delay = undefined;
  }
}
