// The waits of this process for room in a queue that has a limit. A waiter thread puts the value of
// the first; values are put in the order in which they came.
//
// A value is put or it is not: a wait that ends early asks the waiter thread first, and has not
// ended if the value was put.
import type { ProcessError } from '../common/errors.js';
import { type Entry, Fifo } from '../common/fifo.js';
import { thisProcess } from '../common/per-process.js';
import { Deadline, throwIfAborted, waitFor } from '../common/waiting.js';
import { DONE, TIMED_OUT } from '../futex/outcome.js';
import { type PendingWait, send } from '../futex/waiter-threads.js';
import { discard, type Encoded } from '../serialize/serialize.js';
import { AT_ONCE, BUSY, COPY_MS, type SharedRing } from './ring.js';
import { takesTurn } from './turns.js';

interface Putter {
  item: Encoded;
  /** How long a waiter thread tries: there is no time to wait, or no limit that it knows of. */
  timeoutMs: number;
  wake: () => void;
  isDone: boolean;
  failure: unknown;
}

/** Bytes that nobody changes while they wait. */
export function keep(item: Encoded): Encoded {
  return { ...item, body: new Uint8Array(item.body) };
}

export class PutLine {
  readonly #ring: SharedRing;
  #putters = new Fifo<Putter>();
  #pending: PendingWait | undefined;
  /** The process whose line this is: that of a forked child is empty. */
  #owner = thisProcess;

  constructor(ring: SharedRing) {
    this.#ring = ring;
  }

  /** @returns false after the timeout. @throws AbortError */
  async put(value: unknown, timeout: number, signal: AbortSignal | undefined): Promise<boolean> {
    throwIfAborted(signal);
    this.#forgetParent();
    const item = this.#ring.putUnless(this.#putters.length > 0, value, AT_ONCE);
    if (item === undefined) {
      await takesTurn();
      return true;
    }
    const isHurried = timeout === 0;
    const putter: Putter = {
      item,
      timeoutMs: isHurried ? 0 : Infinity,
      wake: () => {},
      isDone: false,
      failure: undefined,
    };
    const subscribe = (wake: () => void): (() => void) => {
      putter.wake = wake;
      const place = this.#join(putter);
      return () => this.#leave(place);
    };
    try {
      if (isHurried && !item.isBusy) return false;
      putter.item = keep(item);
      await waitFor(subscribe, isHurried ? COPY_MS * 2 : timeout, signal);
    } catch (error) {
      if (!putter.isDone) throw error;
    } finally {
      if (!putter.isDone) discard(item);
    }
    if (putter.failure !== undefined) throw putter.failure;
    return putter.isDone;
  }

  /** As {@link put}, and blocks the thread, also until those who came before have put theirs. */
  putSync(value: unknown, timeout: number): boolean {
    this.#forgetParent();
    const isFirst = this.#putters.length === 0;
    const item = isFirst ? this.#ring.put(value, timeout) : this.#ring.encode(value);
    if (item === undefined) return true;
    let isPut = false;
    try {
      isPut = !isFirst && this.#putAfterOthers(item, timeout);
    } finally {
      if (!isPut) discard(item);
    }
    return isPut;
  }

  #putAfterOthers(item: Encoded, timeout: number): boolean {
    const deadline = new Deadline(timeout);
    this.#recall();
    try {
      while (this.#putters.length > 0) {
        if (!this.#ring.putItem(this.#putters.first!.item, deadline.left)) return false;
        this.#serve();
      }
      return this.#ring.putItem(item, deadline.left);
    } finally {
      this.#startWaiting();
    }
  }

  /** Ends all waits with this error. */
  close(failure: ProcessError): void {
    this.#forgetParent();
    this.#recall();
    this.#fail(failure);
  }

  #join(putter: Putter): Entry<Putter> {
    const place = this.#putters.push(putter);
    if (this.#putters.length > 1) return place;
    try {
      this.#send();
      return place;
    } catch (error) {
      this.#putters.remove(place);
      throw error;
    }
  }

  #leave(place: Entry<Putter>): void {
    if (!this.#putters.has(place)) return;
    if (place.value === this.#putters.first) this.#recall();
    this.#putters.remove(place);
    this.#startWaiting();
  }

  #send(): void {
    const { item, timeoutMs } = this.#putters.first!;
    this.#pending = send(
      (thread) => thread.putRecord(this.#ring.native, item.kind, item.body, timeoutMs),
      (outcome) => this.#receive(outcome),
    );
  }

  #startWaiting(): void {
    if (this.#pending !== undefined || this.#putters.length === 0) return;
    try {
      this.#send();
    } catch (failure) {
      this.#fail(failure);
    }
  }

  #receive(outcome: number): void {
    this.#pending = undefined;
    if (outcome === DONE) this.#serve();
    else if (outcome === TIMED_OUT || outcome === BUSY) this.#putters.shift()?.wake();
    this.#startWaiting();
  }

  /** Calls the waiter thread back, which may have put the first one's value. */
  #recall(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.recall((outcome) => {
      if (outcome === DONE) this.#serve();
    });
  }

  #serve(): void {
    const putter = this.#putters.shift()!;
    putter.isDone = true;
    putter.wake();
  }

  #fail(failure: unknown): void {
    for (const putter of this.#putters.takeAll()) {
      putter.failure = failure;
      putter.wake();
    }
  }

  #forgetParent(): void {
    if (this.#owner === thisProcess) return;
    this.#owner = thisProcess;
    this.#putters = new Fifo();
    this.#pending = undefined;
  }
}
