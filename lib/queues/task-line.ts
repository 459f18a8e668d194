// The waits of this process until all tasks are done: native/queue/tasks.h. One waiter thread waits
// for all of them.
import { thisProcess } from '../common/per-process.js';
import { Deadline, throwIfAborted, waitFor } from '../common/waiting.js';
import { Wakers } from '../common/wakers.js';
import { DONE } from '../futex/outcome.js';
import { type PendingWait, send } from '../futex/waiter-threads.js';
import type { SharedRing } from './ring.js';

export class TaskLine {
  readonly #ring: SharedRing;
  #joiners = this.#makeJoiners();
  #pending: PendingWait | undefined;
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
      if (joiners.size === 0) this.#pending?.cancel();
      else this.#startWaiting();
    });
    return joiners;
  }

  #startWaiting(): void {
    this.#pending ??= send(
      (thread) => thread.joinTasks(this.#ring.native),
      () => {
        this.#pending = undefined;
        this.#joiners.wakeAll();
      },
    );
  }

  #forgetParent(): void {
    if (this.#owner === thisProcess) return;
    this.#owner = thisProcess;
    this.#joiners = this.#makeJoiners();
    this.#pending = undefined;
  }
}
