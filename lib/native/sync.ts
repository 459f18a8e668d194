// Locks, semaphores and words in shared memory: native/sync.
import { addon } from './addon.js';

export interface SyncFunctions {
  /** The id that this thread has in the words of locks. */
  lockerId(): number;
  /** `[first link, distance of a word from its link, pending link]`, each of 64 bits. */
  robustHead(): ArrayBuffer;
  /** Whether something keeps the kernel from knowing it. */
  isRobustListRefused(): boolean;
  /** In a forked child. */
  renewRobustList(): void;
  robustWordOffset(): number;
  /** An outcome (lib/futex/outcome.ts). Blocks the thread. */
  acquireLock(buffer: ArrayBuffer, offset: number, timeout: number): number;
  /** `isLeft`: the next one learns that its owner has died. */
  releaseLock(buffer: ArrayBuffer, offset: number, isListed: boolean, isLeft: boolean): void;
  /** For one in this thread's list that another has released. */
  unlistLock(buffer: ArrayBuffer, offset: number): void;
  /** Returns whether anybody held it. */
  releaseLockOfAnother(buffer: ArrayBuffer, offset: number): boolean;
  /** An outcome. Blocks the thread. */
  acquireSemaphore(buffer: ArrayBuffer, offset: number, timeout: number): number;
  /** Blocks the thread until a word is not as expected, `[offset, expected, …]`, or earlier. */
  sleep(buffer: ArrayBuffer, words: readonly number[], timeout: number): void;
  /** Returns how many it woke. */
  wake(buffer: ArrayBuffer, offset: number, most: number): number;
}

export const nativeSync: SyncFunctions = addon as SyncFunctions;
