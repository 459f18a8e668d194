// A semaphore in shared memory: native/sync/shared_semaphore.h. To take a permit that is
// there, and to give one back that nobody waits for, takes one atomic operation.
import { throwIfAborted } from '../common/waiting.js';
import { type Block, ownBlock } from '../memory/heap.js';
import { nativeSync } from '../native/sync.js';
import { AcquireLine } from './acquire-line.js';
import { DONE, TIMED_OUT } from './outcome.js';
import { begin, bell, end } from './robust-list.js';
import { LOCK_SIZE } from './shared-lock.js';

// Places in a LockBlock of native/sync/shared_lock.h, as indexes of an Int32Array.
const COUNT = 12;
/** The word that the first in the line sleeps on. */
const BELL = 13;

// Bits of the bell. It is negative if somebody waits for it to ring.
/** The first in the line was overtaken again and again: whoever comes now queues up. */
const UNFAIR = 0x40000000;

const dropped = new FinalizationRegistry<Block>((block) => block.free());

export class SharedSemaphore {
  readonly block: Block;
  readonly #buffer: ArrayBuffer;
  readonly #byteOffset: number;
  readonly #words: Int32Array;
  readonly #bell: number;
  readonly #line = new AcquireLine({
    begin: (thread) => thread.acquireSemaphore(this.#buffer, this.#byteOffset),
    take: () => {},
    giveBack: () => void this.release(Infinity),
    awaitFirst: () => this.#line.startWaiting(),
  });

  constructor(value: number, given?: Block) {
    const block = ownBlock(given, LOCK_SIZE);
    this.block = block;
    this.#buffer = block.buffer;
    this.#byteOffset = block.byteOffset;
    this.#words = new Int32Array(block.buffer, block.byteOffset, LOCK_SIZE / 4);
    if (!block.isReceived) this.#words[COUNT] = value;
    this.#bell = bell(block.buffer, block.byteOffset + BELL * 4);
    dropped.register(this, block);
  }

  get value(): number {
    return Atomics.load(this.#words, COUNT);
  }

  /** @returns DONE or TIMED_OUT */
  acquireSync(timeout: number): number {
    if (this.#takeIfThere()) return DONE;
    // A permit that is there although nobody may take it: perhaps whoever it is for has died.
    if (timeout === 0 && this.value === 0) return TIMED_OUT;
    const recalled = this.#line.recallThread();
    if (recalled !== undefined) {
      this.#line.startWaiting();
      return recalled;
    }
    const outcome = nativeSync.acquireSemaphore(this.#buffer, this.#byteOffset, timeout);
    this.#line.startWaiting();
    return outcome;
  }

  /** As {@link acquireSync}; a promise only if it takes long. @throws AbortError */
  acquire(timeout: number, signal: AbortSignal | undefined): number | Promise<number> {
    throwIfAborted(signal);
    const isFirst = this.#line.length === 0;
    if (isFirst && this.#takeIfThere()) return DONE;
    if (timeout === 0) return isFirst ? this.acquireSync(0) : TIMED_OUT;
    // It looks for some microseconds, which is less than a waiter thread costs.
    if (isFirst && nativeSync.acquireSemaphore(this.#buffer, this.#byteOffset, 0) === DONE)
      return DONE;
    return this.#line.wait(timeout, signal);
  }

  /** @returns false if there are `max` permits already */
  release(max: number): boolean {
    begin(this.#bell);
    const isDone = this.#add(max);
    if (isDone && Atomics.load(this.#words, BELL) < 0) {
      Atomics.and(this.#words, BELL, UNFAIR);
      nativeSync.wake(this.#buffer, this.#byteOffset + BELL * 4, 1);
    }
    end();
    return isDone;
  }

  #add(max: number): boolean {
    let count = this.#words[COUNT]!; // a guess, which the exchange verifies
    while (count < max) {
      const seen = Atomics.compareExchange(this.#words, COUNT, count, count + 1);
      if (seen === count) return true;
      count = seen;
    }
    return false;
  }

  #takeIfThere(): boolean {
    const words = this.#words;
    if ((words[BELL]! & UNFAIR) !== 0) return false;
    let count = words[COUNT]!;
    while (count > 0) {
      const seen = Atomics.compareExchange(words, COUNT, count, count - 1);
      if (seen === count) return true;
      count = seen;
    }
    return false;
  }
}
