// The waits of a process that are served one after another, in the order in which they came, and
// that do not block the thread: a waiter thread waits for the first of them.
import { type Entry, Fifo } from '../common/fifo.js';
import { ignore } from '../common/ignore.js';
import { queueMicrotask } from '../common/originals.js';
import { PerProcess } from '../common/per-process.js';
import { waitFor } from '../common/waiting.js';
import type { WaiterThread } from '../native/waiter.js';
import { type PendingWait, type Receive, send } from './waiter-threads.js';

/** One of the waits. */
export class Waiter {
  wake: () => void = ignore;
  /** Why it has failed. */
  failure: unknown;
}

interface Line<W> {
  readonly waiters: Fifo<W>;
  pending: PendingWait | undefined;
}

export abstract class WaitingLine<W extends Waiter> {
  /** A forked child has a line of its own, in which nobody waits. */
  readonly #own = new PerProcess<Line<W>>(() => ({ waiters: new Fifo(), pending: undefined }));

  /**
   * Whether anybody has ever waited here. If not there is no need to look whose process this is,
   * which takes as long as half a lock.
   */
  #wasUsed = false;

  get length(): number {
    return this.#wasUsed ? this.#own.value.waiters.length : 0;
  }

  protected get first(): W | undefined {
    return this.#wasUsed ? this.#own.value.waiters.first : undefined;
  }

  /** The wait of the waiter thread, if one is on its way. */
  protected get pending(): PendingWait | undefined {
    return this.#wasUsed ? this.#own.value.pending : undefined;
  }

  /** Tells a waiter thread what to do for the first. @returns 0 or a negative errno */
  protected abstract begin(thread: WaiterThread, first: W): number;

  /** The waiter thread is back. */
  protected abstract receive(outcome: number, thread: WaiterThread): void;

  /** A wait that is still in the line ends early: takes it out. */
  protected abstract withdraw(place: Entry<W>): void;

  /** Has a waiter thread sent for the first, now or later. Called when one has become that. */
  protected awaitFirst(): void {
    this.start();
  }

  /** Waits until it is woken or fails. @returns false after the timeout. @throws AbortError */
  protected enter(waiter: W, timeout: number, signal: AbortSignal | undefined): Promise<boolean> {
    const subscribe = (wake: () => void): (() => void) => {
      waiter.wake = wake;
      this.#wasUsed = true;
      const place = this.#own.value.waiters.push(waiter);
      if (this.length === 1) this.awaitFirst();
      return () => {
        if (this.#own.value.waiters.has(place)) this.withdraw(place);
      };
    };
    return waitFor(subscribe, timeout, signal);
  }

  protected remove(place: Entry<W>): void {
    this.#own.value.waiters.remove(place);
  }

  /** Takes the first out, to wake it. */
  protected shift(): W | undefined {
    return this.#own.value.waiters.shift();
  }

  /** Ends all waits with this error. */
  protected fail(failure: unknown): void {
    for (const waiter of this.#own.value.waiters.takeAll()) {
      waiter.failure = failure;
      queueMicrotask(waiter.wake); // one that is just entering cannot be woken yet
    }
  }

  /**
   * Sends a waiter thread for the first, unless one is on its way. If there can be no more threads
   * all waits fail.
   */
  protected start(): void {
    const { first } = this;
    if (first === undefined || this.pending !== undefined) return;
    try {
      this.send((thread) => this.begin(thread, first));
    } catch (failure) {
      this.fail(failure);
    }
  }

  /** Sends a waiter thread. @throws SystemError `EAGAIN` */
  protected send(begin: (thread: WaiterThread) => number): void {
    this.#wasUsed = true;
    const own = this.#own.value;
    own.pending = send(begin, (outcome, thread) => {
      own.pending = undefined;
      this.receive(outcome, thread);
    });
  }

  /**
   * Calls the waiter thread back: its outcome goes to `receive`, before this returns. One that has
   * something in hand goes on, and stays {@link pending}.
   */
  protected recall(receive: Receive): void {
    const { pending } = this;
    if (pending === undefined) return;
    const own = this.#own.value;
    own.pending = undefined;
    if (!pending.recall(receive)) own.pending = pending;
  }
}
