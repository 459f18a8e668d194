// What a worker has begun, in memory that it shares with its parent: what stands here is
// known whatever becomes of the worker, and however busy it is.
import { mmap, munmap } from '../posix/memory.js';

/** How many tasks a worker can have in hand, begun or not. A power of two. */
export const WINDOW = 1024;

const HEADER = 8;
const BYTES = HEADER + WINDOW * (Float64Array.BYTES_PER_ELEMENT + Int32Array.BYTES_PER_ELEMENT);

// One word says how many tasks were begun, and how often tasks were taken back: so neither
// side can miss what the other does.
const COUNT_BITS = 20;
const COUNT = 2 ** COUNT_BITS - 1;
const RECALL = 2 ** COUNT_BITS;

/** The number of the task after `steps` others. Numbers begin again at 0 after a million. */
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
 * agree on which they are.
 */
export class Ledger {
  readonly #memory = mmap(BYTES);
  readonly #word = new Int32Array(this.#memory, 0, 1);
  /** When the item that runs was begun, by the clock of performance.now(). */
  readonly #times = new Float64Array(this.#memory, HEADER, WINDOW);
  /** How many items of a task were begun. */
  readonly #items = new Int32Array(this.#memory, HEADER + this.#times.byteLength, WINDOW);
  /** In the worker: the recalls that it has heard of. */
  #recalls = 0;

  /** For the worker: begins the next task. Returns false if it was taken back. */
  begin(): boolean {
    const old = Atomics.load(this.#word, 0);
    if (old >>> COUNT_BITS !== this.#recalls) return false;
    const begun = (old & ~COUNT) | ((old + 1) & COUNT);
    return Atomics.compareExchange(this.#word, 0, old, begun) === old;
  }

  /** For the worker, before {@link begin} and before each further item. */
  beginItem(task: number, index: number, isTimed: boolean): void {
    this.#items[task % WINDOW] = index + 1;
    if (isTimed) this.#times[task % WINDOW] = performance.now();
  }

  /** For the worker, when it reads of a recall: the tasks that it read before that are not its own. */
  acceptRecall(): void {
    this.#recalls = (this.#recalls + 1) % 2 ** (32 - COUNT_BITS);
  }

  /** The number of the first task that was not begun. */
  get next(): number {
    return Atomics.load(this.#word, 0) & COUNT;
  }

  /** Takes back all that was not begun. Returns the number of the first such task. */
  recall(): number {
    return Atomics.add(this.#word, 0, RECALL) & COUNT;
  }

  /** How many items of a task that was begun were begun. */
  itemsBegun(task: number): number {
    return this.#items[task % WINDOW]!;
  }

  /** When the last of them was, if the task is timed. */
  itemBegunAt(task: number): number {
    return this.#times[task % WINDOW]!;
  }

  /** Gives the memory back, in this process. */
  close(): void {
    munmap(this.#memory);
  }
}
