import { Fifo } from '../common/fifo.js';
import { clearTimeout, queueMicrotask, setTimeout } from '../common/originals.js';
// Those of this process who wait for a lock or a semaphore without blocking the
// thread. An agent waits for the first of them; what it brings is theirs in the
// order in which they came.
import { thisProcess } from '../common/per-process.js';
import { waitFor } from '../common/waiting.js';
import type { Agent } from '../native/agent.js';
import { type Errand, send } from './agents.js';
import { DONE, OWNER_DIED, TIMED_OUT } from './outcome.js';

export function wasTaken(outcome: number): boolean {
  return outcome === DONE || outcome === OWNER_DIED;
}

interface Waiter {
  wake: () => void;
  outcome: number;
  failure: unknown;
}

/** What there is to wait for. */
export interface Prize {
  /** Tells an agent to get it. */
  begin(agent: Agent): number;
  /** Makes it this thread's. */
  take(agent: Agent): void;
  /** For a prize that nobody wants any more, with the outcome that brought it. */
  giveBack(outcome: number): void;
  /** Has an agent sent for the next one, now or later. */
  awaitNext(): void;
}

export class WaitLine {
  readonly #prize: Prize;
  #waiters = new Fifo<Waiter>();
  #errand: Errand | undefined;
  /** Until an agent is sent. */
  #delay: NodeJS.Timeout | undefined;
  /** The process whose line this is: that of a forked child is empty. */
  #owner = thisProcess;

  constructor(prize: Prize) {
    this.#prize = prize;
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

  /** Sends an agent, unless one is on its way. */
  sendAgent(): void {
    if (this.isEmpty || this.#errand !== undefined) return;
    try {
      this.#errand = send(
        (agent) => this.#prize.begin(agent),
        (outcome, agent) => this.#receive(outcome, agent),
      );
    } catch (failure) {
      for (const waiter of this.#waiters.takeAll()) {
        waiter.failure = failure;
        queueMicrotask(() => waiter.wake()); // one that is just joining cannot be woken yet
      }
    }
  }

  /** Sends one after so many milliseconds, if somebody is in the line then. */
  sendAgentAfter(delay: number): void {
    if (this.isEmpty || this.#errand !== undefined) return;
    this.#delay ??= setTimeout(() => {
      this.#delay = undefined;
      this.sendAgent();
    }, delay);
  }

  /**
   * Calls the agent back, for the thread to wait itself: it could not take over what the
   * agent gets meanwhile.
   *
   * @returns the outcome, if the agent got it: then it is the caller's
   */
  recallAgent(): number | undefined {
    this.#forgetParent();
    const errand = this.#errand;
    this.#errand = undefined;
    let taken: number | undefined;
    errand?.recall((outcome, agent) => {
      if (!wasTaken(outcome)) return;
      this.#prize.take(agent);
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
    if (!this.isEmpty) this.#prize.awaitNext();
  }

  #receive(outcome: number, agent: Agent): void {
    this.#errand = undefined;
    if (wasTaken(outcome)) {
      this.#prize.take(agent);
      if (this.isEmpty) this.#prize.giveBack(outcome);
      else this.serveFirst(outcome);
    } else {
      this.sendAgent(); // it was cancelled, and somebody else has come since
    }
  }

  /** Nobody here wants any more what the agent may have got: others must not wait for this loop. */
  #restIfEmpty(): void {
    if (this.#waiters.length > 0) return;
    clearTimeout(this.#delay);
    this.#delay = undefined;
    const outcome = this.recallAgent();
    if (outcome !== undefined) this.#prize.giveBack(outcome);
  }

  #forgetParent(): void {
    if (this.#owner === thisProcess) return;
    this.#owner = thisProcess;
    this.#waiters = new Fifo();
    this.#errand = undefined;
    this.#delay = undefined;
  }
}
