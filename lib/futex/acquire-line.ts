// The waits of this process for a lock or a semaphore that do not block the thread.
import type { Entry } from '../common/fifo.js';
import { clearTimeout, setTimeout } from '../common/originals.js';
import { PerProcess } from '../common/per-process.js';
import type { WaiterThread } from '../native/waiter.js';
import { DONE, OWNER_DIED, TIMED_OUT } from './outcome.js';
import { Waiter, WaitingLine } from './waiting-line.js';

function wasTaken(outcome: number): boolean {
  return outcome === DONE || outcome === OWNER_DIED;
}

class AcquireWaiter extends Waiter {
  outcome: number = TIMED_OUT;
}

interface Delay {
  timer: NodeJS.Timeout | undefined;
}

/** The lock or semaphore that is waited for. */
export interface Acquirable {
  /** Tells a waiter thread to get it. */
  begin(thread: WaiterThread): number;
  /** Makes it this thread's. */
  take(thread: WaiterThread): void;
  /** For one that nobody wants any more, with the outcome that brought it. */
  giveBack(outcome: number): void;
  /** Has a waiter thread sent for the first in the line, now or later. */
  awaitFirst(): void;
}

export class AcquireLine extends WaitingLine<AcquireWaiter> {
  readonly #acquirable: Acquirable;
  /** The delay before a waiter thread is sent, if there was ever one. */
  #delay: PerProcess<Delay> | undefined;

  constructor(acquirable: Acquirable) {
    super();
    this.#acquirable = acquirable;
  }

  /** @returns DONE, OWNER_DIED or TIMED_OUT. @throws AbortError */
  async wait(timeout: number, signal: AbortSignal | undefined): Promise<number> {
    const waiter = new AcquireWaiter();
    await this.enter(waiter, timeout, signal);
    if (waiter.failure !== undefined) throw waiter.failure;
    return waiter.outcome;
  }

  /** Sends a waiter thread, unless one is on its way. */
  startWaiting(): void {
    this.start();
  }

  /** Sends one after so many milliseconds, if somebody is in the line then. */
  startWaitingAfter(ms: number): void {
    if (this.length === 0 || this.pending !== undefined) return;
    this.#delay ??= new PerProcess<Delay>(() => ({ timer: undefined }));
    const delay = this.#delay.value;
    delay.timer ??= setTimeout(() => {
      delay.timer = undefined;
      this.start();
    }, ms);
  }

  /**
   * Calls the waiter thread back, for the thread to wait itself: it could not take over what the
   * waiter thread gets meanwhile.
   *
   * @returns the outcome, if the waiter thread got it: then it is the caller's
   */
  recallThread(): number | undefined {
    if (this.pending === undefined) return undefined;
    let taken: number | undefined;
    this.recall((outcome, thread) => {
      if (!wasTaken(outcome)) return;
      this.#acquirable.take(thread);
      taken = outcome;
    });
    return taken;
  }

  /** Gives the first what this thread has got. */
  serveFirst(outcome: number): void {
    const waiter = this.shift()!;
    this.#restIfEmpty();
    waiter.outcome = outcome;
    waiter.wake();
    if (this.length > 0) this.awaitFirst();
  }

  protected override begin(thread: WaiterThread): number {
    return this.#acquirable.begin(thread);
  }

  protected override receive(outcome: number, thread: WaiterThread): void {
    if (wasTaken(outcome)) {
      this.#acquirable.take(thread);
      if (this.length === 0) this.#acquirable.giveBack(outcome);
      else this.serveFirst(outcome);
    } else {
      this.start(); // it was cancelled, and somebody else has come since
    }
  }

  protected override withdraw(place: Entry<AcquireWaiter>): void {
    this.remove(place);
    this.#restIfEmpty();
  }

  protected override awaitFirst(): void {
    this.#acquirable.awaitFirst();
  }

  /**
   * Nobody here wants any more what the waiter thread may have got: others must not wait for this
   * loop.
   */
  #restIfEmpty(): void {
    if (this.length > 0) return;
    this.#endDelay();
    const outcome = this.recallThread();
    if (outcome !== undefined) this.#acquirable.giveBack(outcome);
  }

  #endDelay(): void {
    if (this.#delay === undefined) return;
    const delay = this.#delay.value;
    clearTimeout(delay.timer);
    delay.timer = undefined;
  }
}
