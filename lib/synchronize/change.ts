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

/**
 * Those of this process who wait for something to become true without blocking the thread.
 * One agent waits for all of them.
 */
export class Onlookers {
  readonly #buffer: ArrayBuffer;
  readonly #words: () => Words;
  #wakes = new Set<() => void>();
  #errand: Errand | undefined;
  /** The process whose they are: in a forked child nobody waits yet. */
  #owner = lockerId;

  /** @param words whose change may make it true: asked before each wait */
  constructor(buffer: ArrayBuffer, words: () => Words) {
    this.#buffer = buffer;
    this.#words = words;
  }

  /** Blocks the thread. @returns false after the timeout */
  waitUntilSync(isOver: () => boolean, timeout: number): boolean {
    this.#recallAgent();
    const deadline = new Deadline(timeout);
    while (!isOver() && !deadline.isOver) {
      const watched = this.#words(); // before the look, so that what changes after it ends the sleep
      if (!isOver()) native.sleep(this.#buffer, watched, deadline.left);
    }
    this.lookAgain();
    return isOver();
  }

  /** @returns false after the timeout. @throws AbortError */
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

  /** Has all who wait without blocking look again. */
  lookAgain(): void {
    const wakes = [...this.#wakes];
    for (const wake of wakes) wake();
  }

  #subscribe(wake: () => void, isOver: () => boolean): () => void {
    const watched = this.#words(); // before the look, so that what changes after it ends the errand
    if (isOver()) queueMicrotask(wake);
    else this.#errand ??= this.#sendAgent(watched);
    this.#wakes.add(wake);
    return () => {
      this.#wakes.delete(wake);
      if (this.#wakes.size === 0) this.#errand?.cancel();
    };
  }

  #sendAgent(watched: Words): Errand {
    return send(
      (agent) => agent.awaitChange(this.#buffer, watched),
      () => {
        this.#errand = undefined;
        this.lookAgain();
      },
    );
  }

  /** Its news would be of no use as long as the thread is blocked. */
  #recallAgent(): void {
    this.#forgetParent();
    const errand = this.#errand;
    this.#errand = undefined;
    errand?.recall(() => {});
  }

  #forgetParent(): void {
    if (this.#owner === lockerId) return;
    this.#owner = lockerId;
    this.#wakes = new Set();
    this.#errand = undefined;
  }
}
