// Waiting until something in shared memory has changed.
import { ignore } from '../common/ignore.js';
import { queueMicrotask } from '../common/originals.js';
import { PerProcess } from '../common/per-process.js';
import { Deadline, waitFor } from '../common/waiting.js';
import { Wakers } from '../common/wakers.js';
import { nativeSync } from '../native/sync.js';
import { type PendingWait, send } from './waiter-threads.js';

/**
 * Pairs of a byte offset in the buffer and the value that is expected there. The second pair is
 * the bell's (robust-list.ts).
 */
export type Words = readonly number[];

/** As many as futex(2) wakes at once. */
const EVERYBODY = 2 ** 31 - 1;

/** Wakes all who sleep on the word at `byteOffset`, in all processes. */
export function wakeAll(buffer: ArrayBuffer, byteOffset: number): void {
  nativeSync.wake(buffer, byteOffset, EVERYBODY);
}

/** A condition to wait for. `K` is what the waits that end together have in common. */
export interface Watched<K> {
  /** The words to sleep on: asked before each look. */
  words(): Words;
  /** Whether those who wait with this key need not wait any more. */
  isOver(key: K): boolean;
  /**
   * Calls {@link ChangeWaiters.wake} for those of whom that is true. Default: asks for each key.
   */
  look?(): void;
}

interface Waits<K> {
  /** The waits, by what they have in common. */
  readonly waiting: Map<K, Wakers>;
  pending: PendingWait | undefined;
}

/**
 * The waits of this process for something to become true that do not block the thread. One waiter
 * thread waits for all of them.
 */
export class ChangeWaiters<K> {
  readonly #buffer: ArrayBuffer;
  readonly #watched: Watched<K>;
  /** In a forked child nobody waits yet. */
  readonly #own = new PerProcess<Waits<K>>(() => ({ waiting: new Map(), pending: undefined }));

  constructor(buffer: ArrayBuffer, watched: Watched<K>) {
    this.#buffer = buffer;
    this.#watched = watched;
  }

  /** Blocks the thread. @returns false after the timeout */
  waitUntilSync(key: K, timeout: number): boolean {
    this.#recallThread();
    const deadline = new Deadline(timeout);
    while (!this.#watched.isOver(key) && !deadline.isOver) {
      const words = this.#watched.words(); // before the look, so that what changes after it ends the sleep
      if (!this.#watched.isOver(key)) nativeSync.sleep(this.#buffer, words, deadline.left);
    }
    this.#look();
    return this.#watched.isOver(key);
  }

  /** @returns false after the timeout. @throws AbortError */
  async waitUntil(key: K, timeout: number, signal: AbortSignal | undefined): Promise<boolean> {
    const deadline = new Deadline(timeout);
    while (!this.#watched.isOver(key)) {
      if (deadline.isOver) return false;
      await waitFor((wake) => this.#subscribe(key, wake), deadline.left, signal);
    }
    return true;
  }

  /** Has those who wait with this key look again. */
  wake(key: K): void {
    this.#own.value.waiting.get(key)?.wakeAll();
  }

  #subscribe(key: K, wake: () => void): () => void {
    // A waiter thread that is there already ends with what changes from now on.
    if (this.#own.value.pending === undefined) {
      const words = this.#watched.words(); // before the look, as above
      if (this.#watched.isOver(key)) queueMicrotask(wake);
      else this.#startWaiting(words);
    }
    return this.#wakersOf(key).subscribe(wake);
  }

  #wakersOf(key: K): Wakers {
    const own = this.#own.value;
    const found = own.waiting.get(key);
    if (found !== undefined) return found;
    const wakers: Wakers = new Wakers(() => {
      if (wakers.size > 0) return;
      own.waiting.delete(key);
      if (own.waiting.size === 0) own.pending?.cancel();
    });
    own.waiting.set(key, wakers);
    return wakers;
  }

  #startWaiting(words: Words): void {
    const own = this.#own.value;
    own.pending = send(
      (thread) => thread.awaitChange(this.#buffer, words),
      () => {
        own.pending = undefined;
        this.#look();
      },
    );
  }

  /** Wakes those who need not wait any more, and has a waiter thread wait for the others. */
  #look(): void {
    const own = this.#own.value;
    if (own.waiting.size === 0) return;
    const words = this.#watched.words(); // before the look, as above
    if (this.#watched.look !== undefined) this.#watched.look();
    else
      for (const key of Array.from(own.waiting.keys()))
        if (this.#watched.isOver(key)) this.wake(key);
    if (own.waiting.size === 0 || own.pending !== undefined) return;
    try {
      this.#startWaiting(words);
    } catch {
      // Each of them tries itself, and gets the error.
      for (const key of Array.from(own.waiting.keys())) this.wake(key);
    }
  }

  /** Its news would be of no use as long as the thread is blocked. */
  #recallThread(): void {
    const own = this.#own.value;
    const { pending } = own;
    own.pending = undefined;
    pending?.recall(ignore);
  }
}
