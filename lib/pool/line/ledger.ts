// The tasks that a worker has begun, in memory that it shares with its parent: they are known
// whatever becomes of the worker, and however busy it is.
import { performance } from '../../common/originals.js';
import { mmap, munmapPrivate } from '../../posix/memory.js';

/** How many tasks a worker can have in hand, begun or not. */
export const PLACES = 1024;

const HEADER_BYTES = 8;
const SIZE_BYTES =
  HEADER_BYTES + PLACES * (Float64Array.BYTES_PER_ELEMENT + Int32Array.BYTES_PER_ELEMENT);

// One word says how many tasks were begun, and how often tasks were taken back: so neither
// side can miss what the other does.
const COUNT_BITS = 24;
const COUNT = 2 ** COUNT_BITS - 1;
const RECALL = 2 ** COUNT_BITS;
const MAX_RECALLS = 2 ** (32 - COUNT_BITS);

/** The number of the task after `steps` others. Numbers begin again at 0 after 16 million. */
export function numberAfter(number: number, steps: number): number {
  return (number + steps) & COUNT;
}

/** How many tasks there are from number `from` up to, and without, `to`. */
export function distance(from: number, to: number): number {
  return (to - from) & COUNT;
}

/**
 * Tasks have numbers in the order in which they are sent, and are begun in that order. The
 * parent can take back those that have not begun, at any moment: `recall()` and `begin()`
 * agree on which they are. A task has a place here as long as it is in the worker's hands.
 */
export class Ledger {
  readonly #memory = mmap(SIZE_BYTES);
  /**
   * How many tasks were begun, and recalled how often; how many recalls the worker has read of.
   */
  readonly #words = new Int32Array(this.#memory, 0, 2);
  /** When the item that runs was begun, by the clock of performance.now(). */
  readonly #times = new Float64Array(this.#memory, HEADER_BYTES, PLACES);
  /** How many items of a task were begun. */
  readonly #items = new Int32Array(this.#memory, HEADER_BYTES + this.#times.byteLength, PLACES);

  /** For the worker: begins the next task. Returns false if it was taken back. */
  begin(): boolean {
    const old = Atomics.load(this.#words, 0);
    if (old >>> COUNT_BITS !== this.#words[1]) return false;
    const begun = (old & ~COUNT) | ((old + 1) & COUNT);
    return Atomics.compareExchange(this.#words, 0, old, begun) === old;
  }

  /** For the worker, before {@link begin} and before each further item. */
  beginItem(place: number, index: number, isTimed: boolean): void {
    this.#items[place] = index + 1;
    if (isTimed) this.#times[place] = performance.now();
  }

  /**
   * For the worker, when it reads of a recall: the tasks that it read before that are not its own.
   */
  acceptRecall(): void {
    this.#words[1] = (this.#words[1]! + 1) % MAX_RECALLS;
  }

  /** The number of the first task that was not begun. */
  get next(): number {
    return Atomics.load(this.#words, 0) & COUNT;
  }

  /** How many recalls the worker has not read of yet. Not all of 256 can be told apart. */
  get unreadRecalls(): number {
    const recalls = Atomics.load(this.#words, 0) >>> COUNT_BITS;
    return (recalls - Atomics.load(this.#words, 1) + MAX_RECALLS) % MAX_RECALLS;
  }

  /** Takes back all that was not begun. Returns the number of the first such task. */
  recall(): number {
    return Atomics.add(this.#words, 0, RECALL) & COUNT;
  }

  /** How many items of a task that was begun were begun. */
  itemsBegun(place: number): number {
    return this.#items[place]!;
  }

  /** When the last of them was, if the task is timed. */
  itemBegunAt(place: number): number {
    return this.#times[place]!;
  }

  /** Gives the memory back, in this process. */
  close(): void {
    munmapPrivate(this.#memory);
  }
}
