// The waits of this process for the next value that do not block the thread. A waiter thread takes
// it for the first of them.
//
// A value that the waiter thread has taken always finds a receiver: the last wait that ends early
// asks the waiter thread first, and has not ended if that has a value. A long value that it has
// begun to take, and waits for the rest of, is for the next wait.
import { ProcessError } from '../common/errors.js';
import type { Entry } from '../common/fifo.js';
import { PerProcess } from '../common/per-process.js';
import { Deadline, throwIfAborted } from '../common/waiting.js';
import { DONE, TIMED_OUT } from '../futex/outcome.js';
import { Waiter, WaitingLine } from '../futex/waiting-line.js';
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

class Getter extends Waiter {
  /** How long a waiter thread tries: there is no time to wait, or no limit that it knows of. */
  readonly timeoutMs: number;
  value: unknown = NOTHING;

  constructor(timeoutMs: number) {
    super();
    this.timeoutMs = timeoutMs;
  }
}

/** How long to look for a place for a value that nobody wants any more, in milliseconds. */
const PUT_BACK_TIMEOUT_MS = 1000;

export class GetLine extends WaitingLine<Getter> implements ExitHook {
  readonly #ring: SharedRing;
  /** A record that a waiter thread has brought when nobody waited any more. */
  readonly #inHand = new PerProcess<{ record: Buffer | undefined }>(() => ({ record: undefined }));

  constructor(ring: SharedRing) {
    super();
    this.#ring = ring;
  }

  /** @returns NOTHING after the timeout. @throws AbortError */
  async get(timeout: number, signal: AbortSignal | undefined): Promise<unknown> {
    throwIfAborted(signal);
    const value = this.length === 0 ? this.#takeNow(AT_ONCE) : NOTHING;
    if (value !== NOTHING && value !== LATER) {
      await takesTurn();
      return value;
    }
    const isHurried = timeout === 0;
    if (isHurried && value === NOTHING) return NOTHING;
    const getter = new Getter(isHurried ? 0 : Infinity);
    try {
      await this.enter(getter, isHurried ? COPY_MS : timeout, signal);
    } catch (error) {
      if (getter.value === NOTHING) throw error;
    }
    if (getter.failure !== undefined) throw getter.failure;
    return getter.value;
  }

  /** As {@link get}, and blocks the thread: what comes now is for the one who cannot do without. */
  getSync(timeout: number): unknown {
    const isAlone = this.pending === undefined && this.#inHand.value.record === undefined;
    // Without a limit the thread itself can wait for all of a value.
    if (isAlone && timeout === Infinity) return this.#ring.take(timeout);
    const deadline = new Deadline(Math.max(timeout, COPY_MS));
    let value: unknown = NOTHING;
    try {
      this.#recall((record) => (value = read(record)));
      if (value === NOTHING) value = this.#takeNow(timeout);
      return value === LATER ? this.#takeByThread(deadline) : value;
    } finally {
      this.start();
    }
  }

  /** Ends all waits with this error. */
  close(failure: ProcessError): void {
    this.#recall((record) => this.#accept(record));
    this.fail(failure);
    this.pending?.setRef(false);
  }

  leave(): void {
    const inHand = this.#inHand.value;
    this.#recall((record) => (inHand.record = record));
    // It has begun to take a value.
    if (this.pending?.awaitEnd(PUT_BACK_TIMEOUT_MS) === true) {
      this.#recall((record) => (inHand.record = record));
    }
    if (inHand.record === undefined) return;
    const taken = open(inHand.record);
    inHand.record = undefined;
    // Where it was, or else where there is room.
    const isBack = this.#ring.native.putBack(taken.kind, taken.body);
    if (!isBack) this.#ring.putItem(taken, PUT_BACK_TIMEOUT_MS);
  }

  protected override begin(thread: WaiterThread, { timeoutMs }: Getter): number {
    return this.#beginTake(thread, timeoutMs);
  }

  protected override receive(outcome: number, thread: WaiterThread): void {
    removeExitHook(this);
    if (outcome === DONE) this.#accept(thread.takenRecord());
    if (outcome === NO_MEMORY) this.fail(noMemory());
    if (outcome === TIMED_OUT || outcome === BUSY) this.#serveHurried();
    this.start();
  }

  protected override awaitFirst(): void {
    this.pending?.setRef(true);
    this.start();
  }

  /** All waits are alike: only the last has no use for what the waiter thread brings. */
  protected override withdraw(place: Entry<Getter>): void {
    const isLast = this.length === 1;
    if (isLast) this.#recall((record) => this.#serve(record));
    this.remove(place);
    if (isLast) this.pending?.setRef(false);
  }

  /** The end of the process waits for its outcome. */
  #beginTake(thread: WaiterThread, timeoutMs: number): number {
    const result = thread.takeRecord(this.#ring.native, timeoutMs);
    if (result === 0) addExitHook(this);
    return result;
  }

  /** @returns NOTHING or LATER if there is none yet */
  #takeNow(timeout: number): unknown {
    const inHand = this.#inHand.value;
    const { record } = inHand;
    if (record === undefined) return this.pending ? LATER : this.#ring.take(timeout);
    inHand.record = undefined;
    removeExitHook(this);
    return read(record);
  }

  /** Blocks the thread, for a value that may take longer than there is time. */
  #takeByThread(deadline: Deadline): unknown {
    if (deadline.isOver) return NOTHING;
    if (this.pending === undefined) this.send((thread) => this.#beginTake(thread, 0));
    this.pending!.awaitEnd(deadline.left);
    let value: unknown = NOTHING;
    const outcome = this.#recall((record) => (value = read(record)));
    if (outcome === NO_MEMORY) throw noMemory();
    if (this.length === 0) this.pending?.setRef(false);
    return value;
  }

  /** There was nothing for the one who had no time, if it still waits. */
  #serveHurried(): void {
    if (this.first?.timeoutMs === 0) this.shift()!.wake();
  }

  #accept(record: Buffer): void {
    if (this.length > 0) {
      this.#serve(record);
      return;
    }
    this.#inHand.value.record = record;
    addExitHook(this);
  }

  /**
   * Calls the waiter thread back, unless it has begun to take a value. A value that it has taken
   * goes to `receive`.
   *
   * @returns the outcome, if there was a waiter thread and it is back
   */
  #recall(receive: (record: Buffer) => void): number | undefined {
    if (this.pending === undefined) return undefined;
    removeExitHook(this);
    let found: number | undefined;
    this.recall((outcome, thread) => {
      found = outcome;
      if (outcome === DONE) receive(thread.takenRecord());
    });
    if (this.pending !== undefined) addExitHook(this);
    return found;
  }

  #serve(record: Buffer): void {
    const getter = this.shift()!;
    try {
      getter.value = read(record);
    } catch (failure) {
      getter.value = undefined;
      getter.failure = failure;
    }
    getter.wake();
  }
}
