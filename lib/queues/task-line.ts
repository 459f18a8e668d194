// Those of this process who wait until all tasks are done: native/tasks.h. One agent waits
// for all of them.
import { type Errand, send } from '../synchronize/agents.js';
import { DONE } from '../synchronize/outcome.js';
import { lockerId } from '../synchronize/robust-list.js';
import { Deadline, throwIfAborted, waitFor } from '../waiting.js';
import type { SharedRing } from './ring.js';

export class TaskLine {
  readonly #ring: SharedRing;
  #wakes = new Set<() => void>();
  #errand: Errand | undefined;
  /** The process whose line this is: that of a forked child is empty. */
  #owner = lockerId;

  constructor(ring: SharedRing) {
    this.#ring = ring;
    ring.native.countTasks();
  }

  setDone(): boolean {
    return this.#ring.native.setTaskDone();
  }

  /** @returns how many are lost */
  writeOff(): number {
    return this.#ring.native.writeOffTasks();
  }

  /** @returns false after the timeout. @throws AbortError */
  async join(timeout: number, signal: AbortSignal | undefined): Promise<boolean> {
    throwIfAborted(signal);
    this.#forgetParent();
    const deadline = new Deadline(timeout);
    while (!this.joinSync(0)) {
      if (deadline.isOver) return false;
      await waitFor((wake) => this.#subscribe(wake), deadline.left, signal);
    }
    return true;
  }

  /** As {@link join}, and blocks the thread. */
  joinSync(timeout: number): boolean {
    return this.#ring.native.joinTasks(timeout) === DONE;
  }

  #subscribe(wake: () => void): () => void {
    this.#errand ??= send(
      (agent) => agent.joinTasks(this.#ring.native),
      () => this.#end(),
    );
    this.#wakes.add(wake);
    return () => {
      this.#wakes.delete(wake);
      if (this.#wakes.size === 0) this.#errand?.cancel();
    };
  }

  #end(): void {
    this.#errand = undefined;
    for (const wake of this.#wakes) wake();
  }

  #forgetParent(): void {
    if (this.#owner === lockerId) return;
    this.#owner = lockerId;
    this.#wakes = new Set();
    this.#errand = undefined;
  }
}
