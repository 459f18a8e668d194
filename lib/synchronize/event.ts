// multiprocessing.Event.
import { inspectBy } from '../common/inspection.js';
import { checkReceivers } from '../common/receivers.js';
import {
  syncTimeout,
  type SyncWaitOptions,
  throwIfAborted,
  type WaitOptions,
  waitOptions,
} from '../common/waiting.js';
import { ChangeWaiters, type Words, wakeAll } from '../futex/change.js';
import { begin, bell, end } from '../futex/robust-list.js';
import { type Block, ownBlock, type PlaceParts } from '../memory/heap.js';
import { receiveObject, sendObject } from '../memory/shared-objects.js';
import { makeShareable } from '../serialize/shareables.js';

/** In bytes. */
const SIZE_BYTES = 8;
const BELL_OFFSET = 4;

// The other word: how often it was set, and two bits.
const IS_SET = 1;
const IS_AWAITED = 2;
const ONE_MORE = 4;
const TIMES = ~(IS_SET | IS_AWAITED);

const dropped = new FinalizationRegistry<Block>((block) => block.free());

/**
 * A flag that processes share and can wait for, as Python's `multiprocessing.Event`. Children that
 * are forked after it was made share it.
 *
 * All waits end when it is set, also if it is cleared at once. (In Python some may miss it.) A
 * process that dies while it waits costs the others nothing.
 */
export class Event {
  readonly #block: Block;
  readonly #buffer: ArrayBuffer;
  readonly #byteOffset: number;
  readonly #word: Int32Array;
  readonly #bell: number;
  readonly #waiters: ChangeWaiters<number>;

  constructor();
  /** @internal Over memory that is there. */
  constructor(given?: Block);
  constructor(given?: Block) {
    const block = ownBlock(given, SIZE_BYTES);
    this.#block = block;
    this.#buffer = block.buffer;
    this.#byteOffset = block.byteOffset;
    this.#word = new Int32Array(block.buffer, block.byteOffset, 1);
    this.#bell = bell(block.buffer, block.byteOffset + BELL_OFFSET);
    this.#waiters = new ChangeWaiters(block.buffer, {
      words: () => this.#announce(),
      isOver: (times) => this.#wasSetSince(times),
    });
    dropped.register(this, block);
  }

  isSet(): boolean {
    return (Atomics.load(this.#word, 0) & IS_SET) !== 0;
  }

  /** Sets the flag, and wakes all who wait. Does nothing if it is set. */
  set(): void {
    begin(this.#bell);
    const before = this.#change((value) =>
      (value & IS_SET) !== 0 ? value : ((value & TIMES) + ONE_MORE) | 0 | IS_SET,
    );
    if ((before & IS_AWAITED) !== 0) wakeAll(this.#buffer, this.#byteOffset);
    end();
  }

  clear(): void {
    Atomics.and(this.#word, 0, ~IS_SET);
  }

  /**
   * Waits until the flag is set. Takes no system call if it is.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit
   * @returns false after the timeout
   * @throws AbortError
   */
  async wait(options: number | WaitOptions = Infinity): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    throwIfAborted(signal);
    if (this.isSet()) return true;
    return this.#waiters.waitUntil(this.#times, timeout, signal);
  }

  /** As {@link wait}, and blocks the thread. With a timeout of 0 it only looks. */
  waitSync(options: number | SyncWaitOptions = Infinity): boolean {
    const timeout = syncTimeout(options);
    if (this.isSet()) return true;
    return this.#waiters.waitUntilSync(this.#times, timeout);
  }

  toString(): string {
    return `<Event ${this.isSet() ? 'set' : 'unset'}>`;
  }

  /** How often it was set, in the word's own units. */
  get #times(): number {
    return Atomics.load(this.#word, 0) & TIMES;
  }

  #wasSetSince(times: number): boolean {
    const value = Atomics.load(this.#word, 0);
    return (value & IS_SET) !== 0 || (value & TIMES) !== times;
  }

  /** Says that somebody waits, and returns what to wait for. */
  #announce(): Words {
    const before = this.#change((value) => ((value & IS_SET) !== 0 ? value : value | IS_AWAITED));
    const expected = (before & IS_SET) !== 0 ? before : before | IS_AWAITED;
    return [this.#byteOffset, expected, this.#byteOffset + BELL_OFFSET, 0];
  }

  /** @returns the value before */
  #change(next: (value: number) => number): number {
    for (;;) {
      const value = Atomics.load(this.#word, 0);
      if (Atomics.compareExchange(this.#word, 0, value, next(value)) === value) return value;
    }
  }

  static {
    checkReceivers(this, (object) => #block in object);
    makeShareable<Event, PlaceParts>('Event', Event, {
      toParts: (event, attachments) => sendObject(event, event.#block, attachments),
      fromParts: (place, delivered) =>
        receiveObject(Event, place, SIZE_BYTES, delivered, (block) => new Event(block)),
    });
  }
}

inspectBy(Event);
