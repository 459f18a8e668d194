// The workers of a pool, and where each of them is.
import type { Worker } from './worker.js';

function remove<T>(list: T[], item: T): void {
  const index = list.indexOf(item);
  if (index >= 0) list.splice(index, 1);
}

export class Roster {
  /** The workers that run tasks: not more than the pool has processes. */
  readonly seated: Worker[] = [];
  /**
   * The workers that were forked for functions that were new while all others were busy. They hold
   * what these functions saw, until one of the others is free and makes room.
   */
  readonly waiting: Worker[] = [];
  /** The workers that end by themselves when they have done what they have in hand. */
  readonly #leaving = new Set<Worker>();

  /** All workers that have not been reaped. */
  get all(): Worker[] {
    return [...this.seated, ...this.waiting, ...this.#leaving];
  }

  /** The workers that get tasks, now or later. */
  get available(): Worker[] {
    return [...this.seated, ...this.waiting].filter((worker) => worker.phase !== 'leaving');
  }

  /** Whether there is a worker that knows what has this number in the registry. */
  isKnown(number: number): boolean {
    return this.available.some((worker) => worker.knows >= number);
  }

  /**
   * Takes out the waiting worker that knows what has this number, and saw least of what came later.
   */
  takeWaiting(number: number): Worker | undefined {
    const index = this.waiting.findIndex((worker) => worker.knows >= number);
    return index < 0 ? undefined : this.waiting.splice(index, 1)[0];
  }

  /** Lets a worker end by itself. Its seat is free. */
  dismiss(worker: Worker): void {
    this.remove(worker);
    this.#leaving.add(worker);
    worker.stop();
  }

  /** The worker has been reaped, or is about to be somewhere else. */
  remove(worker: Worker): void {
    remove(this.seated, worker);
    remove(this.waiting, worker);
    this.#leaving.delete(worker);
  }
}
