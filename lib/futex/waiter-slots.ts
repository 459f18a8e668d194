// Places for the processes that wait at one object, in its shared memory. The process that has a
// slot holds its lock: so the kernel frees the slot when that process dies.
import { ProcessError } from '../common/errors.js';
import { type Block, ownBlock } from '../memory/heap.js';
import { DONE, OWNER_DIED } from './outcome.js';
import { lockerId } from './robust-list.js';
import { LOCK_SIZE, OWNER, SharedLock, WORD } from './shared-lock.js';

/** How many processes can wait at one object at the same time. */
export const SLOTS = 124;
const WORDS_OF_SLOTS = LOCK_SIZE / 4;

/** The words in a slot's LockBlock that the object may use, as indexes of an Int32Array. */
const NOTES = 12;

const IS_WATCHED = 0x80000000 | 0;

export function tooManyWaiters(): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_TOO_MANY_WAITERS',
    `more than ${SLOTS} processes, or 65,535 tasks of one, wait for the same object`,
  );
}

/** The slot that a process has taken, if any. */
interface Place {
  taken: { index: number; lock: SharedLock; by: number } | undefined;
}

/** In this process, and not in the one that it was forked from. */
function takenHere({ taken }: Place): Place['taken'] {
  return taken?.by === lockerId ? taken : undefined;
}

function leave(place: Place): void {
  const taken = takenHere(place);
  place.taken = undefined;
  taken?.lock.release();
}

const dropped = new FinalizationRegistry<{ block: Block; place: Place }>(({ block, place }) => {
  leave(place); // what is in the list of locks that this process holds must not become something else
  block.free();
});

/** In bytes, with so many words beside them. */
export function sizeOfSlots(extra: number): number {
  return SLOTS * LOCK_SIZE + extra * 4;
}

export class WaiterSlots {
  readonly block: Block;
  readonly buffer: ArrayBuffer;
  /** All zeros at first. */
  readonly extra: Int32Array;
  readonly #byteOffset: number;
  readonly #words: Int32Array;
  readonly #place: Place = { taken: undefined };

  /** @param extra how many words to have beside them, for the object's own use */
  constructor(extra = 0, given?: Block) {
    const block = ownBlock(given, sizeOfSlots(extra));
    this.block = block;
    this.buffer = block.buffer;
    this.#byteOffset = block.byteOffset;
    this.#words = new Int32Array(block.buffer, block.byteOffset, SLOTS * WORDS_OF_SLOTS);
    this.extra = new Int32Array(block.buffer, block.byteOffset + SLOTS * LOCK_SIZE, extra);
    dropped.register(this, { block, place: this.#place });
  }

  /** The slot of this process, if it has one. */
  get own(): number | undefined {
    return takenHere(this.#place)?.index;
  }

  /**
   * Takes a slot, unless this process has one; its notes are zero then.
   *
   * @param inherit called before that with a slot whose process has died on it
   * @throws ProcessError `ERR_TRUEFORK_TOO_MANY_WAITERS`
   */
  take(inherit?: (index: number) => void): number {
    if (this.own !== undefined) return this.own;
    for (let index = 0; index < SLOTS; index++) {
      if (this.isTaken(index)) continue;
      const byteOffset = this.#byteOffset + index * LOCK_SIZE;
      const lock = new SharedLock({ buffer: this.buffer, byteOffset });
      const outcome = lock.acquireSync(0);
      if (outcome !== DONE && outcome !== OWNER_DIED) continue;
      this.#place.taken = { index, lock, by: lockerId };
      if (outcome === OWNER_DIED) inherit?.(index);
      for (const note of [0, 1, 2]) Atomics.store(this.#words, this.#note(index, note), 0);
      return index;
    }
    throw tooManyWaiters();
  }

  /** Gets up, if this process has a slot. */
  leave(): void {
    leave(this.#place);
  }

  isTaken(index: number): boolean {
    return (Atomics.load(this.#words, index * WORDS_OF_SLOTS + WORD) & OWNER) !== 0;
  }

  /** Notes of a slot: three words, whose meaning is the object's. */
  load(index: number, note: number): number {
    return Atomics.load(this.#words, this.#note(index, note));
  }

  store(index: number, note: number, value: number): void {
    Atomics.store(this.#words, this.#note(index, note), value);
  }

  add(index: number, note: number, value: number): number {
    return Atomics.add(this.#words, this.#note(index, note), value);
  }

  /** @returns whether it was `expected`, and is `value` now */
  replace(index: number, note: number, expected: number, value: number): boolean {
    const place = this.#note(index, note);
    return Atomics.compareExchange(this.#words, place, expected, value) === expected;
  }

  /** Where a note is in the buffer, in bytes. */
  offsetOfNote(index: number, note: number): number {
    return this.#byteOffset + this.#note(index, note) * 4;
  }

  /**
   * The word to sleep on until the process of that slot dies: an offset and a value; undefined if
   * the slot is free.
   */
  watch(index: number): [offset: number, expected: number] | undefined {
    const place = index * WORDS_OF_SLOTS + WORD;
    for (;;) {
      const value = Atomics.load(this.#words, place);
      if ((value & OWNER) === 0) return undefined;
      const watched = value | IS_WATCHED;
      if (Atomics.compareExchange(this.#words, place, value, watched) === value) {
        return [this.#byteOffset + place * 4, watched];
      }
    }
  }

  #note(index: number, note: number): number {
    return index * WORDS_OF_SLOTS + NOTES + note;
  }
}
