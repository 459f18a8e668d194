// The waits of this process for room in a queue that has a limit. A waiter thread puts the value of
// the first; values are put in the order in which they came.
//
// A value is put or it is not: a wait that ends early asks the waiter thread first, and has not
// ended if the value was put.
import type { ProcessError } from '../common/errors.js';
import type { Entry } from '../common/fifo.js';
import { Deadline, throwIfAborted } from '../common/waiting.js';
import { DONE, TIMED_OUT } from '../futex/outcome.js';
import { Waiter, WaitingLine } from '../futex/waiting-line.js';
import type { WaiterThread } from '../native/waiter.js';
import { discard, type Encoded } from '../serialize/serialize.js';
import { AT_ONCE, BUSY, COPY_MS, type SharedRing } from './ring.js';
import { takesTurn } from './turns.js';

class Putter extends Waiter {
  readonly item: Encoded;
  /** How long a waiter thread tries: there is no time to wait, or no limit that it knows of. */
  readonly timeoutMs: number;
  isDone = false;

  constructor(item: Encoded, timeoutMs: number) {
    super();
    this.item = item;
    this.timeoutMs = timeoutMs;
  }
}

/** Bytes that nobody changes while they wait. */
export function keep(item: Encoded): Encoded {
  return { ...item, body: new Uint8Array(item.body) };
}

export class PutLine extends WaitingLine<Putter> {
  readonly #ring: SharedRing;

  constructor(ring: SharedRing) {
    super();
    this.#ring = ring;
  }

  /** @returns false after the timeout. @throws AbortError */
  async put(value: unknown, timeout: number, signal: AbortSignal | undefined): Promise<boolean> {
    throwIfAborted(signal);
    const item = this.#ring.putUnless(this.length > 0, value, AT_ONCE);
    if (item === undefined) {
      await takesTurn();
      return true;
    }
    const isHurried = timeout === 0;
    let isDone = false;
    try {
      if (isHurried && !item.isBusy) return false;
      const putter = new Putter(keep(item), isHurried ? 0 : Infinity);
      isDone = await this.#put(putter, isHurried ? COPY_MS * 2 : timeout, signal);
    } finally {
      if (!isDone) discard(item);
    }
    return isDone;
  }

  /** As {@link put}, and blocks the thread, also until those who came before have put theirs. */
  putSync(value: unknown, timeout: number): boolean {
    const isFirst = this.length === 0;
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
      while (this.length > 0) {
        if (!this.#ring.putItem(this.first!.item, deadline.left)) return false;
        this.#serve();
      }
      return this.#ring.putItem(item, deadline.left);
    } finally {
      this.start();
    }
  }

  /** Ends all waits with this error. */
  close(failure: ProcessError): void {
    this.#recall();
    this.fail(failure);
  }

  protected override begin(thread: WaiterThread, { item, timeoutMs }: Putter): number {
    return thread.putRecord(this.#ring.native, item.kind, item.body, timeoutMs);
  }

  protected override receive(outcome: number): void {
    if (outcome === DONE) this.#serve();
    else if (outcome === TIMED_OUT || outcome === BUSY) this.shift()?.wake();
    this.start();
  }

  protected override withdraw(place: Entry<Putter>): void {
    if (place.value === this.first) this.#recall();
    this.remove(place);
    this.start();
  }

  async #put(putter: Putter, timeout: number, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await this.enter(putter, timeout, signal);
    } catch (error) {
      if (!putter.isDone) throw error;
    }
    if (putter.failure !== undefined) throw putter.failure;
    return putter.isDone;
  }

  /** Calls the waiter thread back, which may have put the first one's value. */
  #recall(): void {
    this.recall((outcome) => {
      if (outcome === DONE) this.#serve();
    });
  }

  #serve(): void {
    const putter = this.shift()!;
    putter.isDone = true;
    putter.wake();
  }
}
