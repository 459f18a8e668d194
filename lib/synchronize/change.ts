// Waiting until a word in shared memory is not what it was.
import { native } from '../posix/native.js';
import { Deadline, waitFor } from '../waiting.js';
import { type Errand, send } from './agents.js';
import { lockerId } from './robust-list.js';

/**
 * Pairs of a byte offset in the buffer and the value that is expected there. The second pair is
 * the bell's (robust-list.ts).
 */
export type Words = readonly number[];

/** Blocks the thread until `isOver`, looking again whenever one of the words has changed. */
export function sleepUntil(
  buffer: ArrayBuffer,
  isOver: () => boolean,
  words: () => Words,
  timeout: number,
): boolean {
  const deadline = new Deadline(timeout);
  for (;;) {
    const watched = words(); // before the look, so that what changes after it ends the sleep
    if (isOver()) return true;
    if (deadline.isOver) return false;
    native.sleep(buffer, watched, deadline.left);
  }
}

/**
 * Those of this process who wait for something to become true without blocking the thread.
 * One agent waits for all of them.
 */
export class Onlookers {
  readonly #buffer: ArrayBuffer;
  readonly #words: () => Words;
  /** With what each of them waits for. */
  #wakes = new Map<() => void, () => boolean>();
  #errand: Errand | undefined;
  /** The process whose they are: in a forked child nobody waits yet. */
  #owner = lockerId;

  /** @param words whose change may make it true: asked before each wait */
  constructor(buffer: ArrayBuffer, words: () => Words) {
    this.#buffer = buffer;
    this.#words = words;
  }

  /** Has all of them look, for whoever was woken in their stead. */
  lookAgain(): void {
    this.#forgetParent();
    const wakes = [...this.#wakes.keys()];
    for (const wake of wakes) wake();
  }

  /**
   * @param isOver tells others what it finds out, if they have to know: until it has returned the
   *   kernel sees to it that they learn it should this process die
   * @returns false after the timeout
   * @throws AbortError
   */
  async waitUntil(
    isOver: () => boolean,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    this.#forgetParent();
    const deadline = new Deadline(timeout);
    while (!isOver()) {
      if (deadline.isOver) return false;
      await waitFor((wake) => this.#subscribe(wake, isOver), deadline.left, signal);
    }
    return true;
  }

  #subscribe(wake: () => void, isOver: () => boolean): () => void {
    this.#sendAgent();
    this.#wakes.set(wake, isOver);
    // It may have become true before the agent knew what to look for.
    if (isOver()) queueMicrotask(wake);
    return () => {
      this.#wakes.delete(wake);
      if (this.#wakes.size === 0) this.#errand?.cancel();
    };
  }

  #sendAgent(): void {
    if (this.#errand !== undefined) return;
    const words = this.#words();
    this.#errand = send(
      (agent) => agent.awaitChange(this.#buffer, words),
      () => {
        this.#errand = undefined;
        for (const isOver of this.#wakes.values()) isOver();
        this.lookAgain();
      },
    );
  }

  #forgetParent(): void {
    if (this.#owner === lockerId) return;
    this.#owner = lockerId;
    this.#wakes = new Map();
    this.#errand = undefined;
  }
}
