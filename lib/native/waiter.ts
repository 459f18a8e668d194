// Threads that wait for JavaScript: native/thread.
import { addon } from './addon.js';
import type { Ring } from './queue.js';

/** Waits in a thread of its own: native/waiter/waiter_thread_object.h. One wait at a time. */
export interface WaiterThread {
  onend: (outcome: number) => void;
  // Each returns 0 or a negative errno.
  acquireLock(buffer: ArrayBuffer, offset: number): number;
  acquireSemaphore(buffer: ArrayBuffer, offset: number): number;
  /**
   * Until a word is not as expected any more, or its sleepers are woken: `[offset, expected, …]`.
   */
  awaitChange(buffer: ArrayBuffer, words: readonly number[]): number;
  /** Puts a record into the ring; nobody may change the bytes meanwhile. */
  putRecord(ring: Ring, kind: number, bytes: Uint8Array, timeout: number): number;
  takeRecord(ring: Ring, timeout: number): number;
  /** The record that takeRecord() has taken: see {@link Ring.takenRecord}. Once only. */
  takenRecord(): Buffer;
  /** Puts what waits in the ring's backlog. */
  feed(ring: Ring): number;
  /** Until the ring's tasks are done or lost. */
  joinTasks(ring: Ring): number;
  /** Whether the event loop stays alive until the wait ends: it does. */
  setRef(keepsAlive: boolean): void;
  cancel(): void;
  /** Cancels, and returns the outcome instead of giving it to `onend`; or GOES_ON, and does not. */
  recall(): number;
  /** Blocks the thread until the wait has ended. Returns false after the timeout. */
  awaitEnd(timeout: number): boolean;
  /** Makes the lock that it acquired this thread's; returns whether the kernel knows. */
  adopt(buffer: ArrayBuffer, offset: number): boolean;
  /** Lets go of what it worked on, once the outcome has been made use of. */
  forgetWait(): void;
  /** In a forked child, where it does not exist. */
  forget(): void;
  close(): void;
}

export interface WaiterFunctions {
  WaiterThread: new () => WaiterThread;
}

export const nativeWaiter: WaiterFunctions = addon as WaiterFunctions;
