import { thisProcess } from '../common/per-process.js';
import { Deadline, throwIfAborted, waitFor } from '../common/waiting.js';
import { Wakers } from '../common/wakers.js';
// Those of this process who wait until all tasks are done: native/queue/tasks.h. One agent waits
// for all of them.
import { type Errand, send } from '../futex/agents.js';
import { DONE } from '../futex/outcome.js';
import type { SharedRing } from './ring.js';

export class TaskLine {
  readonly #ring: SharedRing;
  #joiners = this.#makeJoiners();
  #errand: Errand | undefined;
  /** The process whose line this is: that of a forked child is empty. */
  #owner = thisProcess;

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
      await waitFor(this.#joiners, deadline.left, signal);
    }
    return true;
  }

  /** As {@link join}, and blocks the thread. */
  joinSync(timeout: number): boolean {
    return this.#ring.native.joinTasks(timeout) === DONE;
  }

  #makeJoiners(): Wakers {
    const joiners: Wakers = new Wakers(() => {
      if (joiners.size === 0) this.#errand?.cancel();
      else this.#sendAgent();
    });
    return joiners;
  }

  #sendAgent(): void {
    this.#errand ??= send(
      (agent) => agent.joinTasks(this.#ring.native),
      () => {
        this.#errand = undefined;
        this.#joiners.wakeAll();
      },
    );
  }

  #forgetParent(): void {
    if (this.#owner === thisProcess) return;
    this.#owner = thisProcess;
    this.#joiners = this.#makeJoiners();
    this.#errand = undefined;
  }
}
