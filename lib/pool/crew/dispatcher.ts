// Which worker gets which task, and when another worker is forked.
import type { JobQueue } from '../jobs/job-queue.js';
import type { Job } from '../jobs/job.js';
import type { Settings } from '../options.js';
import type { Deadlines } from './deadlines.js';
import type { Registry } from './registry.js';
import type { Roster } from './roster.js';
import { Worker, type WorkerEvents } from './worker.js';

/** The parts of a crew that a dispatcher works with. */
export interface DispatcherParts {
  settings: Settings;
  roster: Roster;
  registry: Registry;
  queue: JobQueue;
  deadlines: Deadlines;
  events: WorkerEvents;
}

export class Dispatcher {
  readonly #settings: Settings;
  readonly #roster: Roster;
  readonly #registry: Registry;
  readonly #queue: JobQueue;
  readonly #deadlines: Deadlines;
  readonly #events: WorkerEvents;
  /** Submitted since the last turn. */
  #fresh: Job[] = [];
  /** Why no worker could be forked in this turn. */
  #forkError: unknown;
  /** How many workers were forked. */
  forks = 0;

  constructor({ settings, roster, registry, queue, deadlines, events }: DispatcherParts) {
    this.#settings = settings;
    this.#roster = roster;
    this.#registry = registry;
    this.#queue = queue;
    this.#deadlines = deadlines;
    this.#events = events;
  }

  /** A job was submitted. */
  add(job: Job): void {
    this.#fresh.push(job);
  }

  /** Gives tasks to workers, as long as there is a task and a worker for it. */
  handOut(): void {
    this.#forkError = undefined;
    for (let job = this.#queue.first; job !== undefined; job = this.#queue.first) {
      const worker = this.#choose(job);
      if (worker === undefined) {
        if (this.#forkError === undefined || this.#roster.isKnown(job.requires)) return;
        job.fail(this.#forkError);
        continue;
      }
      worker.give(job.nextTask());
      this.#deadlines.watchTask(job);
      // It begins while others are forked.
      if (worker.given === 1) worker.post();
    }
  }

  /**
   * Forks workers for functions that are new in this turn while all workers are busy: they see what
   * these functions see now, and wait. Not more than the pool has processes.
   */
  preforkForNewFunctions(): void {
    const { waiting, available } = this.#roster;
    const fresh = this.#fresh;
    this.#fresh = [];
    const newest = available.reduce((most, { knows }) => Math.max(most, knows), 0);
    let wanted = 0;
    for (const job of fresh) if (job.requires > newest && job.hasTasks) wanted += job.tasksLeft;
    const most = this.#settings.processes - waiting.length;
    for (let count = Math.min(wanted, most); count > 0; count--) {
      const worker = this.#fork();
      if (worker !== undefined) waiting.push(worker);
    }
  }

  /** Waiting workers take the places of idle ones, which are older. */
  seatWaiting(): void {
    const { seated, waiting } = this.#roster;
    while (waiting.length > 0 && this.#queue.first === undefined) {
      const idle = seated.find(({ held, phase }) => held === 0 && phase !== 'leaving');
      if (seated.length >= this.#settings.processes && idle === undefined) return;
      if (idle !== undefined) this.#roster.dismiss(idle);
      seated.push(waiting.shift()!);
    }
  }

  /**
   * The worker for a task of `job`: of those that know its function the one with least in hand; but
   * rather than that one waits, a worker is forked, or takes the place of an idle one that does not
   * know the function.
   */
  #choose(job: Job): Worker | undefined {
    const { concurrency, processes } = this.#settings;
    const { seated } = this.#roster;
    let least: Worker | undefined;
    for (const worker of seated) {
      if (worker.knows < job.requires || !worker.canTakeMore) continue;
      if (least === undefined || worker.held < least.held) least = worker;
    }
    if (least !== undefined && least.held < concurrency) return least;
    if (seated.length < processes) return this.#seat(job) ?? least;
    const old = seated.find(
      ({ held, knows, phase }) => held === 0 && knows < job.requires && phase !== 'leaving',
    );
    if (old === undefined) return least;
    const worker = this.#seat(job);
    if (worker !== undefined) this.#roster.dismiss(old);
    return worker;
  }

  /** Seats a worker that knows what `job` needs: one that waits, or a new one. */
  #seat(job: Job): Worker | undefined {
    const worker = this.#roster.takeWaiting(job.requires) ?? this.#fork();
    if (worker !== undefined) this.#roster.seated.push(worker);
    return worker;
  }

  /** Once that has failed, it is not tried again in the same turn. */
  #fork(): Worker | undefined {
    if (this.#forkError !== undefined) return undefined;
    try {
      const worker = new Worker(this.#settings, this.#registry, this.#events);
      this.forks++;
      this.#deadlines.watchStart(worker);
      return worker;
    } catch (error) {
      this.#forkError = error;
      return undefined;
    }
  }
}
