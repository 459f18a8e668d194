// A lock in shared memory: native/shared_lock.h. To take and to give back one that
// nobody else wants takes two atomic operations here, and no call.
import { allocate, type Block } from '../heap.js';
import { native } from '../posix/native.js';
import { DONE, IS_LISTED } from './outcome.js';
import {
  addOnly,
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
import { WaitLine } from './wait-line.js';

/** The size of a lock in memory, in bytes: that of native/shared_lock.h's LockBlock. */
export const LOCK_SIZE = 64;
const LINK = 32;
const LINK_NEXT = 40;

// Places in it, as indexes of an Int32Array.
export const WORD: number = (LINK_NEXT + WORD_OFFSET) / 4;
const IS_SIGNAL = 5;

export const OWNER = 0x3fffffff;
const OWNER_HAS_DIED = 0x40000000;

/** How long a lock that this process holds itself is not waited for elsewhere, in milliseconds. */
const PATIENCE = 10;

/** A lock that a process holds must not become something else when it is garbage. */
const dropped = new FinalizationRegistry<Block>((block) => {
  const words = new Int32Array(block.buffer, block.byteOffset, LOCK_SIZE / 4);
  if ((words[WORD]! & OWNER) !== lockerId) block.free();
});

export class SharedLock {
  readonly #buffer: ArrayBuffer;
  readonly #byteOffset: number;
  readonly #words: Int32Array;
  readonly #link: RobustLink;
  /** The thread in whose list this lock is, if it was put there here. */
  #listedFor = 0;
  readonly #line = new WaitLine({
    begin: (agent) => agent.acquireLock(this.#buffer, this.#byteOffset),
    take: (agent) => {
      this.#listedFor = agent.adopt(this.#buffer, this.#byteOffset) ? lockerId : 0;
    },
    giveBack: () => this.#giveBack(),
  });

  /** @param place its memory, all zeros at first; default: some of its own */
  constructor(place?: { buffer: ArrayBuffer; byteOffset: number }) {
    const { buffer, byteOffset } = place ?? this.#allocate();
    this.#buffer = buffer;
    this.#byteOffset = byteOffset;
    this.#words = new Int32Array(buffer, byteOffset, LOCK_SIZE / 4);
    this.#link = {
      memory: new Float64Array(buffer, byteOffset + LINK, 2),
      pointer: pointer(native.addressOf(buffer) + byteOffset + LINK_NEXT),
    };
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

  /** Whether this process does. */
  get isHeldHere(): boolean {
    return (Atomics.load(this.#words, WORD) & OWNER) === lockerId;
  }

  /** @returns DONE, OWNER_DIED or TIMED_OUT */
  acquireSync(timeout: number): number {
    if (this.#takeIfFree()) return DONE;
    const recalled = this.#line.recallAgent();
    if (recalled !== undefined) return recalled;
    const outcome = native.acquireLock(this.#buffer, this.#byteOffset, timeout);
    this.#listedFor = (outcome & IS_LISTED) === 0 ? 0 : lockerId;
    if (!this.#line.isEmpty) this.#sendAgent();
    return outcome & ~IS_LISTED;
  }

  /** As {@link acquireSync}. @throws AbortError */
  async acquire(timeout: number, signal: AbortSignal | undefined): Promise<number> {
    if (this.#line.isEmpty && this.#takeIfFree()) return DONE;
    return this.#line.wait(timeout, signal, () => this.#sendAgent());
  }

  /** It must be held here. */
  release(): void {
    if (!this.#line.isEmpty && this.#isWantedHereOnly()) {
      this.#line.serveFirst(DONE);
      return;
    }
    this.#giveBack();
    this.#line.sendAgent();
  }

  /** By whoever does not hold it. @returns false if nobody does */
  releaseOfAnother(): boolean {
    return native.releaseLockOfAnother(this.#buffer, this.#byteOffset);
  }

  #allocate(): Block {
    const block = allocate(LOCK_SIZE);
    dropped.register(this, block);
    return block;
  }

  #takeIfFree(): boolean {
    if (!isEmpty()) return false; // the call below can add to a list that is not
    begin(this.#link.pointer);
    const isOurs = Atomics.compareExchange(this.#words, WORD, 0, lockerId) === 0;
    if (isOurs && this.#words[IS_SIGNAL] === 0) {
      addOnly(this.#link);
      this.#listedFor = lockerId;
    }
    end();
    return isOurs;
  }

  #giveBack(): void {
    const isListed = this.#listedFor === lockerId;
    this.#listedFor = 0;
    if (!isListed || !isOnly(this.#link)) {
      native.releaseLock(this.#buffer, this.#byteOffset, isListed);
      return;
    }
    begin(this.#link.pointer);
    removeOnly();
    const isWanted = Atomics.compareExchange(this.#words, WORD, lockerId, 0) !== lockerId;
    if (isWanted) native.releaseLock(this.#buffer, this.#byteOffset, false);
    end();
  }

  #isWantedHereOnly(): boolean {
    return Atomics.load(this.#words, WORD) === lockerId;
  }

  #sendAgent(): void {
    if (!this.isHeldHere) {
      this.#line.sendAgent();
      return;
    }
    // Most probably this process will give it back, and no agent is needed. But
    // another process may, too.
    setTimeout(() => this.#line.sendAgent(), PATIENCE).unref();
  }
}
