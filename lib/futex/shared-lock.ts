// A lock in shared memory: native/sync/shared_lock.h. To take and to give back one that
// nobody else wants takes two atomic operations here, and no call.
import { queueMicrotask } from '../common/originals.js';
import { onForkedChild } from '../common/per-process.js';
import { throwIfAborted } from '../common/waiting.js';
import { type Block, ownBlock } from '../memory/heap.js';
import { nativeMemory } from '../native/memory.js';
import { nativeSync } from '../native/sync.js';
import { AcquireLine } from './acquire-line.js';
import { DONE, IS_LISTED, OWNER_DIED, TIMED_OUT } from './outcome.js';
import {
  addOnly,
  assertRobust,
  begin,
  end,
  isEmpty,
  isOnly,
  lockerId,
  pointer,
  removeOnly,
  type RobustLink,
  WORD_OFFSET,
} from './robust-list.js';

/** The size of a lock in memory, in bytes: that of native/sync/shared_lock.h's LockBlock. */
export const LOCK_SIZE = 64;
const LINK = 32;
const LINK_NEXT = 40;

// Places in it, as indexes of an Int32Array.
export const WORD: number = (LINK_NEXT + WORD_OFFSET) / 4;
const IS_SIGNAL = 5;

export const OWNER = 0x3fffffff;
const OWNER_HAS_DIED = 0x40000000;

/** How long a lock that this process holds itself is not waited for elsewhere, in milliseconds. */
const OWN_LOCK_WAIT_MS = 10;

/** In which thread's list a lock is, if it was put there by this object; else 0. */
interface Listing {
  by: number;
}

/**
 * The memory of locks that are garbage while this process holds them. They are in its list until it
 * ends: then the kernel passes them on.
 */
let abandoned: Block[] = [];

onForkedChild(() => {
  for (const block of abandoned) block.free();
  abandoned = [];
});

const dropped = new FinalizationRegistry<{ block: Block; listing: Listing }>(
  ({ block, listing }) => {
    if (listing.by === lockerId) abandoned.push(block);
    else block.free();
  },
);

export class SharedLock {
  readonly #buffer: ArrayBuffer;
  readonly #byteOffset: number;
  readonly #words: Int32Array;
  readonly #link: RobustLink;
  readonly #listing: Listing = { by: 0 };
  #block: Block | undefined;
  readonly #line = new AcquireLine({
    begin: (thread) => thread.acquireLock(this.#buffer, this.#byteOffset),
    take: (thread) => {
      this.#note(thread.adopt(this.#buffer, this.#byteOffset));
    },
    giveBack: (outcome) => {
      // Somebody else may have done so when it was the waiter thread's.
      if (this.isHeldHere) this.#giveBack(outcome === OWNER_DIED);
    },
    awaitFirst: () => this.#startWaiting(),
  });

  /** A lock in a block that it gives back when nobody has it any more. */
  static owning(given?: Block): SharedLock {
    const block = ownBlock(given, LOCK_SIZE);
    const lock = new SharedLock(block);
    lock.#block = block;
    dropped.register(lock, { block, listing: lock.#listing });
    return lock;
  }

  /** @param place its memory, all zeros at first, which is somebody else's */
  constructor({ buffer, byteOffset }: { buffer: ArrayBuffer; byteOffset: number }) {
    assertRobust();
    this.#buffer = buffer;
    this.#byteOffset = byteOffset;
    this.#words = new Int32Array(buffer, byteOffset, LOCK_SIZE / 4);
    this.#link = {
      memory: new Float64Array(buffer, byteOffset + LINK, 2),
      pointer: pointer(nativeMemory.addressOf(buffer) + byteOffset + LINK_NEXT),
    };
  }

  /** The block that it owns. */
  get block(): Block {
    return this.#block!;
  }

  /** Whether anybody holds it. */
  get isHeld(): boolean {
    return (Atomics.load(this.#words, WORD) & OWNER) !== 0;
  }

  /** Whether the one who held it died with it, and nobody has acquired it since. */
  get isLeft(): boolean {
    return (Atomics.load(this.#words, WORD) & OWNER_HAS_DIED) !== 0;
  }

  /** The pid of the process that does, if any. */
  get owner(): number | undefined {
    const owner = Atomics.load(this.#words, WORD) & OWNER;
    return owner === 0 ? undefined : owner;
  }

  /**
   * Whether this process does. Nobody else writes its id: a plain read will do, which costs least.
   */
  get isHeldHere(): boolean {
    return (this.#words[WORD]! & OWNER) === lockerId;
  }

  /** @returns DONE, OWNER_DIED or TIMED_OUT */
  acquireSync(timeout: number): number {
    if (this.#takeIfFree()) return DONE;
    const recalled = this.#line.recallThread();
    if (recalled !== undefined) {
      this.#startWaiting();
      return recalled;
    }
    const outcome = this.#await(timeout);
    this.#startWaiting();
    return outcome;
  }

  /** As {@link acquireSync}; a promise only if it takes long. @throws AbortError */
  acquire(timeout: number, signal: AbortSignal | undefined): number | Promise<number> {
    throwIfAborted(signal);
    const isFirst = this.#line.length === 0 && !this.isHeldHere;
    const outcome = isFirst ? this.acquireSync(0) : TIMED_OUT;
    if (outcome !== TIMED_OUT || timeout === 0) return outcome;
    return this.#line.wait(timeout, signal);
  }

  /** It must be held here. */
  release(): void {
    this.#giveBack(false);
    if (this.#line.length > 0) this.#serveSoon();
  }

  /** As {@link release}, by a thread that is about to wait for somebody who needs the lock. */
  releaseToWait(): void {
    this.#line.recallThread();
    this.release();
  }

  /** By whoever does not hold it. @returns false if nobody does */
  releaseOfAnother(): boolean {
    return nativeSync.releaseLockOfAnother(this.#buffer, this.#byteOffset);
  }

  /**
   * Whether it is held by the process that this one was forked from, which got it as this object.
   */
  get isHeldByParent(): boolean {
    return this.#listing.by !== 0 && this.#listing.by !== lockerId;
  }

  #takeIfFree(): boolean {
    if (!isEmpty()) return false; // the call below can add to a list that is not
    begin(this.#link.pointer);
    const isOurs = Atomics.compareExchange(this.#words, WORD, 0, lockerId) === 0;
    if (isOurs && this.#words[IS_SIGNAL] === 0) {
      addOnly(this.#link);
      this.#listing.by = lockerId;
    }
    end();
    return isOurs;
  }

  /** Blocks the thread. */
  #await(timeout: number): number {
    const outcome = nativeSync.acquireLock(this.#buffer, this.#byteOffset, timeout);
    if (outcome !== TIMED_OUT) this.#note((outcome & IS_LISTED) !== 0);
    return outcome & ~IS_LISTED;
  }

  /** This thread has the lock now. */
  #note(isListed: boolean): void {
    // It is in the list still if it was another who gave it back when it was held here.
    if (!isListed && this.#listing.by === lockerId) {
      nativeSync.unlistLock(this.#buffer, this.#byteOffset);
    }
    this.#listing.by = isListed ? lockerId : 0;
  }

  /**
   * Not at once: this thread may be about to wait for the lock, or for somebody who needs it, and
   * the first in the line could not go on meanwhile. A method of its own, for a function that makes
   * a closure takes longer, also where it makes none.
   */
  #serveSoon(): void {
    queueMicrotask(() => this.#serve());
  }

  /** Gives a free lock to the first in the line. */
  #serve(): void {
    if (this.#line.length > 0 && this.#takeIfFree()) this.#line.serveFirst(DONE);
    else this.#startWaiting();
  }

  /** @param isLeft that the one before has died is news for the next */
  #giveBack(isLeft: boolean): void {
    const isListed = this.#listing.by === lockerId;
    this.#listing.by = 0;
    if (isLeft || !isListed || !isOnly(this.#link)) {
      nativeSync.releaseLock(this.#buffer, this.#byteOffset, isListed, isLeft);
      return;
    }
    begin(this.#link.pointer);
    removeOnly();
    const isWanted = Atomics.compareExchange(this.#words, WORD, lockerId, 0) !== lockerId;
    if (isWanted) nativeSync.releaseLock(this.#buffer, this.#byteOffset, false, false);
    end();
  }

  #startWaiting(): void {
    // Most probably this process will give back what it holds, and no waiter thread is needed. But
    // another process may, too.
    if (this.isHeldHere) this.#line.startWaitingAfter(OWN_LOCK_WAIT_MS);
    else this.#line.startWaiting();
  }
}
