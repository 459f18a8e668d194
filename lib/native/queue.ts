// Rings of records in shared memory: native/queue.
import { addon } from './addon.js';

/** Records in shared memory: native/queue/ring.h. Call map() or attach() first. */
export interface Ring {
  /** Returns 0 or a negative errno. */
  map(size: number, mostRecords: number): number;
  /** The ring of another process. Takes the descriptor, also if it fails. -EINVAL: it is none. */
  attach(fd: number): number;
  /** Of its memory, or a negative errno: it has none, and why. */
  descriptor(): number;
  /** How many records there can be. */
  most(): number;
  /**
   * An outcome (lib/futex/outcome.ts). Blocks the thread; with a negative timeout for a moment
   * only, whatever other processes do.
   */
  put(kind: number, bytes: Uint8Array, timeout: number): number;
  /** The same for the first bytes of the scratch's body. */
  putScratch(kind: number, length: number, timeout: number): number;
  /**
   * The size of the record in the scratch, 0 after the timeout, 1 if it is in takenRecord(), 2 if
   * a waiter thread has to wait for it, or a negative errno. Blocks the thread as put() does.
   */
  take(timeout: number): number;
  /** Eight bytes, of which the fifth is the kind, and the record. Once only. */
  takenRecord(): Buffer;
  /** Returns whether that was possible. */
  putBack(kind: number, bytes: Uint8Array): boolean;
  /** Copies the bytes. Returns whether a waiter thread feeds the ring; if not send one. */
  addToBacklog(kind: number, bytes: Uint8Array): boolean;
  /** Takes back the record that was added last and cannot be fed. */
  withdraw(): void;
  countBacklog(): number;
  /** Blocks the thread until nothing is left. Returns false after the timeout. */
  awaitBacklog(timeout: number): boolean;
  /**
   * Blocks the thread until what is in the ring and what is in the backlog are counted once, or 100
   * ms.
   */
  settleBacklog(): void;
  /** In a forked child. */
  forgetBacklog(): void;
  /** How many records there are, with those that processes have in their backlogs. */
  count(): number;
  /** Says that what is taken here is a task (native/queue/tasks.h). */
  countTasks(): void;
  /** Returns false if there was no task that was not done. */
  setTaskDone(): boolean;
  /** An outcome; DONE if all are done or lost. Blocks the thread. */
  joinTasks(timeout: number): number;
  /** How many are lost; they count as done from then on. */
  writeOffTasks(): number;
  isEmpty(): boolean;
}

export interface QueueFunctions {
  /** Memory of this thread for short records: eight bytes, as in takenRecord(), and the body. */
  ringScratch(): ArrayBuffer;

  Ring: new () => Ring;
}

export const nativeQueue: QueueFunctions = addon as QueueFunctions;
