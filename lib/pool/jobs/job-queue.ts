// The jobs of a pool that have tasks nobody has taken.
import type { Job } from './job.js';

/** How many places at the front may be empty before the list is copied. */
const MAX_EMPTY = 1000;

/** Jobs that have tasks for whoever is free, in the order in which they came. */
export class JobQueue {
  #jobs: Job[] = [];
  #front = 0;

  /** The first that has a task, or undefined. */
  get first(): Job | undefined {
    for (; this.#front < this.#jobs.length; this.#front++) {
      const job = this.#jobs[this.#front]!;
      if (job.hasTasks) return job;
      job.isQueued = false;
      if (this.#front > MAX_EMPTY && this.#front * 2 > this.#jobs.length) {
        this.#jobs = this.#jobs.slice(this.#front);
        this.#front = 0;
      }
    }
    this.#jobs = [];
    this.#front = 0;
    return undefined;
  }

  /** Puts a job at the end. */
  add(job: Job): void {
    if (job.isQueued) return;
    job.isQueued = true;
    this.#jobs.push(job);
  }

  /** Puts a job to the front, whose tasks were given back. */
  addFirst(job: Job): void {
    if (job.isQueued) return;
    job.isQueued = true;
    this.#jobs.splice(this.#front, 0, job);
  }

  /** How many jobs are in it at most. */
  get length(): number {
    return this.#jobs.length - this.#front;
  }
}
