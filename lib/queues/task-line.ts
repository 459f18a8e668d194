// The waits of this process until all tasks are done: native/queue/tasks.h. One waiter thread waits
// for all of them.
import { PerProcess } from '../common/per-process.js';
import { Deadline, throwIfAborted, waitFor } from '../common/waiting.js';
import { Wakers } from '../common/wakers.js';
import { DONE } from '../futex/outcome.js';
import { type PendingWait, send } from '../futex/waiter-threads.js';
import type { SharedRing } from './ring.js';

/** The waits, and the thread that waits for all of them. */
class Joiners {
  readonly #ring: SharedRing;
  #pending: PendingWait | undefined;
  readonly wakers: Wakers = new Wakers(() => {
    if (this.wakers.size === 0) this.#pending?.cancel();
    else this.#startWaiting();
  });

  constructor(ring: SharedRing) {
    this.#ring = ring;
  }

  #startWaiting(): void {
    this.#pending ??= send(
      (thread) => thread.joinTasks(this.#ring.native),
      () => {
        this.#pending = undefined;
        this.wakers.wakeAll();
      },
    );
  }
}

export class TaskLine {
  readonly #ring: SharedRing;
  /** In a forked child nobody waits yet. */
  readonly #joiners = new PerProcess(() => new Joiners(this.#ring));

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
    const deadline = new Deadline(timeout);
    while (!this.joinSync(0)) {
      if (deadline.isOver) return false;
      await waitFor(this.#joiners.value.wakers, deadline.left, signal);
    }
    return true;
  }

  /** As {@link join}, and blocks the thread. */
  joinSync(timeout: number): boolean {
    return this.#ring.native.joinTasks(timeout) === DONE;
  }
}
