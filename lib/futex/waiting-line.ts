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

function emptyLine<W>(): Line<W> {
  return { waiters: new Fifo(), pending: undefined };
}

export abstract class WaitingLine<W extends Waiter> {
  /**
   * Made when somebody waits for the first time: a lock that nobody waits for is made, taken and
   * given back without. A forked child has a line of its own, in which nobody waits.
   */
  #own: PerProcess<Line<W>> | undefined;

  get length(): number {
    return this.#own === undefined ? 0 : this.#own.value.waiters.length;
  }

  protected get first(): W | undefined {
    return this.#own?.value.waiters.first;
  }

  /** The wait of the waiter thread, if one is on its way. */
  protected get pending(): PendingWait | undefined {
    return this.#own?.value.pending;
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
      const place = this.#line.waiters.push(waiter);
      if (this.length === 1) this.awaitFirst();
      return () => {
        if (this.#line.waiters.has(place)) this.withdraw(place);
      };
    };
    return waitFor(subscribe, timeout, signal);
  }

  protected remove(place: Entry<W>): void {
    this.#line.waiters.remove(place);
  }

  /** Takes the first out, to wake it. */
  protected shift(): W | undefined {
    return this.#line.waiters.shift();
  }

  /** Ends all waits with this error. */
  protected fail(failure: unknown): void {
    for (const waiter of this.#line.waiters.takeAll()) {
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
    const line = this.#line;
    line.pending = send(begin, (outcome, thread) => {
      line.pending = undefined;
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
    const line = this.#line;
    line.pending = undefined;
    if (!pending.recall(receive)) line.pending = pending;
  }

  get #line(): Line<W> {
    this.#own ??= new PerProcess<Line<W>>(emptyLine);
    return this.#own.value;
  }
}
