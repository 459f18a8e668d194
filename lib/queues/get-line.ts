// The waits of this process for the next value that do not block the thread. A waiter thread takes
// it for the first of them.
//
// A value that the waiter thread has taken always finds a receiver: the last wait that ends early
// asks the waiter thread first, and has not ended if that has a value. A long value that it has
// begun to take, and waits for the rest of, is for the next wait.
import { ProcessError } from '../common/errors.js';
import { type Entry, Fifo } from '../common/fifo.js';
import { thisProcess } from '../common/per-process.js';
import { Deadline, throwIfAborted, waitFor } from '../common/waiting.js';
import { DONE, TIMED_OUT } from '../futex/outcome.js';
import { type PendingWait, send } from '../futex/waiter-threads.js';
import type { WaiterThread } from '../native/waiter.js';
import { addExitHook, type ExitHook, removeExitHook } from './exit-hooks.js';
import {
  AT_ONCE,
  BUSY,
  COPY_MS,
  LATER,
  NO_MEMORY,
  noMemory,
  NOTHING,
  open,
  read,
  type SharedRing,
} from './ring.js';
import { takesTurn } from './turns.js';

interface Getter {
  /** How long a waiter thread tries: there is no time to wait, or no limit that it knows of. */
  timeoutMs: number;
  wake: () => void;
  value: unknown;
  failure: unknown;
}

/** How long to look for a place for a value that nobody wants any more, in milliseconds. */
const PUT_BACK_TIMEOUT_MS = 1000;

export class GetLine implements ExitHook {
  readonly #ring: SharedRing;
  #getters = new Fifo<Getter>();
  #pending: PendingWait | undefined;
  /** A record that a waiter thread has brought when nobody waited any more. */
  #inHand: Buffer | undefined;
  /** The process whose line this is: that of a forked child is empty. */
  #owner = thisProcess;

  constructor(ring: SharedRing) {
    this.#ring = ring;
  }

  /** @returns NOTHING after the timeout. @throws AbortError */
  async get(timeout: number, signal: AbortSignal | undefined): Promise<unknown> {
    throwIfAborted(signal);
    this.#forgetParent();
    const value = this.#getters.length === 0 ? this.#takeNow(AT_ONCE) : NOTHING;
    if (value !== NOTHING && value !== LATER) {
      await takesTurn();
      return value;
    }
    const isHurried = timeout === 0;
    if (isHurried && value === NOTHING) return NOTHING;
    const timeoutMs = isHurried ? 0 : Infinity;
    const getter: Getter = { timeoutMs, wake: () => {}, value: NOTHING, failure: undefined };
    const subscribe = (wake: () => void): (() => void) => {
      getter.wake = wake;
      const place = this.#join(getter);
      return () => this.#leave(place);
    };
    try {
      await waitFor(subscribe, isHurried ? COPY_MS : timeout, signal);
    } catch (error) {
      if (getter.value === NOTHING) throw error;
    }
    if (getter.failure !== undefined) throw getter.failure;
    return getter.value;
  }

  /** As {@link get}, and blocks the thread: what comes now is for the one who cannot do without. */
  getSync(timeout: number): unknown {
    this.#forgetParent();
    const isAlone = this.#pending === undefined && this.#inHand === undefined;
    // Without a limit the thread itself can wait for all of a value.
    if (isAlone && timeout === Infinity) return this.#ring.take(timeout);
    const deadline = new Deadline(Math.max(timeout, COPY_MS));
    let value: unknown = NOTHING;
    try {
      this.#recall((record) => (value = read(record)));
      if (value === NOTHING) value = this.#takeNow(timeout);
      return value === LATER ? this.#takeByThread(deadline) : value;
    } finally {
      this.#startWaiting();
    }
  }

  /** Ends all waits with this error. */
  close(failure: ProcessError): void {
    this.#forgetParent();
    this.#recall((record) => this.#accept(record));
    this.#fail(failure);
    this.#pending?.setRef(false);
  }

  leave(): void {
    this.#recall((record) => (this.#inHand = record));
    // It has begun to take a value.
    if (this.#pending?.awaitEnd(PUT_BACK_TIMEOUT_MS) === true) {
      this.#recall((record) => (this.#inHand = record));
    }
    if (this.#inHand === undefined) return;
    const taken = open(this.#inHand);
    this.#inHand = undefined;
    // Where it was, or else where there is room.
    const isBack = this.#ring.native.putBack(taken.kind, taken.body);
    if (!isBack) this.#ring.putItem(taken, PUT_BACK_TIMEOUT_MS);
  }

  /** @returns NOTHING or LATER if there is none yet */
  #takeNow(timeout: number): unknown {
    if (this.#inHand === undefined) return this.#pending ? LATER : this.#ring.take(timeout);
    const record = this.#inHand;
    this.#inHand = undefined;
    removeExitHook(this);
    return read(record);
  }

  /** Blocks the thread, for a value that may take longer than there is time. */
  #takeByThread(deadline: Deadline): unknown {
    if (deadline.isOver) return NOTHING;
    if (this.#pending === undefined) this.#send(0);
    this.#pending!.awaitEnd(deadline.left);
    let value: unknown = NOTHING;
    const outcome = this.#recall((record) => (value = read(record)));
    if (outcome === NO_MEMORY) throw noMemory();
    if (this.#getters.length === 0) this.#pending?.setRef(false);
    return value;
  }

  #join(getter: Getter): Entry<Getter> {
    const place = this.#getters.push(getter);
    if (this.#getters.length > 1) return place;
    try {
      if (this.#pending === undefined) this.#send(getter.timeoutMs);
      else this.#pending.setRef(true);
      return place;
    } catch (error) {
      this.#getters.remove(place);
      throw error;
    }
  }

  #leave(place: Entry<Getter>): void {
    if (!this.#getters.has(place)) return;
    const isLast = this.#getters.length === 1;
    if (isLast) this.#recall((record) => this.#serve(() => read(record)));
    this.#getters.remove(place);
    if (isLast) this.#pending?.setRef(false);
  }

  #send(timeoutMs: number): void {
    const pending = send(
      (thread) => thread.takeRecord(this.#ring.native, timeoutMs),
      (outcome, thread) => this.#receive(outcome, thread),
    );
    this.#keep(pending);
  }

  #startWaiting(): void {
    const { first } = this.#getters;
    if (this.#pending !== undefined || first === undefined) return;
    try {
      this.#send(first.timeoutMs);
    } catch (failure) {
      this.#fail(failure);
    }
  }

  #receive(outcome: number, thread: WaiterThread): void {
    this.#end();
    if (outcome === DONE) this.#accept(thread.takenRecord());
    if (outcome === NO_MEMORY) this.#fail(noMemory());
    if (outcome === TIMED_OUT || outcome === BUSY) this.#serveHurried();
    this.#startWaiting();
  }

  /** There was nothing for the one who had no time, if it still waits. */
  #serveHurried(): void {
    if (this.#getters.first?.timeoutMs === 0) this.#getters.shift()!.wake();
  }

  #accept(record: Buffer): void {
    if (this.#getters.length > 0) {
      this.#serve(() => read(record));
      return;
    }
    this.#inHand = record;
    addExitHook(this);
  }

  /**
   * Calls the waiter thread back, unless it has begun to take a value. A value that it has taken
   * goes to `receive`.
   *
   * @returns the outcome, if there was a waiter thread and it is back
   */
  #recall(receive: (record: Buffer) => void): number | undefined {
    const pending = this.#pending;
    if (pending === undefined) return undefined;
    this.#end();
    let found: number | undefined;
    const hasEnded = pending.recall((outcome, thread) => {
      found = outcome;
      if (outcome === DONE) receive(thread.takenRecord());
    });
    if (!hasEnded) this.#keep(pending);
    return found;
  }

  #keep(pending: PendingWait): void {
    this.#pending = pending;
    addExitHook(this);
  }

  #end(): void {
    this.#pending = undefined;
    removeExitHook(this);
  }

  #serve(take: () => unknown): void {
    const getter = this.#getters.shift()!;
    try {
      getter.value = take();
    } catch (failure) {
      getter.value = undefined;
      getter.failure = failure;
    }
    getter.wake();
  }

  #fail(failure: unknown): void {
    for (const getter of this.#getters.takeAll()) {
      getter.failure = failure;
      getter.wake();
    }
  }

  #forgetParent(): void {
    if (this.#owner === thisProcess) return;
    this.#owner = thisProcess;
    this.#getters = new Fifo();
    this.#pending = undefined;
    this.#inHand = undefined;
  }
}
