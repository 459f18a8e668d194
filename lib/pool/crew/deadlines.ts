// Time limits of a pool: for tasks, for initializers, for workers that are to end or are idle.
import { TimeoutError } from '../../common/errors.js';
import { performance } from '../../common/originals.js';
import type { Job, Task } from '../jobs/job.js';
import type { Settings } from '../options.js';
import type { Agenda } from './agenda.js';
import type { Roster } from './roster.js';
import type { Worker } from './worker.js';

/** How long a worker has to end after SIGTERM, in milliseconds. */
const SIGTERM_GRACE_MS = 1000;

/** Steps of the crew that follow when time is over. */
export interface CrewSteps {
  /** Gives the tasks that a worker has not begun back to the queue. */
  takeBack(worker: Worker): void;
  /** Has the next turn come soon. */
  schedule(): void;
}

export class Deadlines {
  readonly #settings: Settings;
  readonly #roster: Roster;
  readonly #agenda: Agenda;
  readonly #crew: CrewSteps;
  readonly #schedule: () => void;

  constructor(settings: Settings, roster: Roster, agenda: Agenda, crew: CrewSteps) {
    this.#settings = settings;
    this.#roster = roster;
    this.#agenda = agenda;
    this.#crew = crew;
    this.#schedule = () => crew.schedule();
  }

  /** A worker has got a task of `job`. */
  watchTask(job: Job): void {
    this.#agenda.add(performance.now() + job.timeout, this.#checkTasks);
  }

  /** A worker was forked. */
  watchStart(worker: Worker): void {
    const { initializer, initializerTimeout } = this.#settings;
    if (initializer === undefined) return;
    this.#agenda.add(worker.startedAt + initializerTimeout, this.#checkStarts);
  }

  /** Ends a worker, whatever it does: by SIGTERM, and by SIGKILL if it does not end. */
  terminate(worker: Worker): void {
    if (worker.terminate(SIGTERM_GRACE_MS)) this.#agenda.add(worker.killAt, this.#killOverdue);
  }

  /** Retires the workers that have been idle for too long. */
  retireIdle(): void {
    const { idleTimeout } = this.#settings;
    if (idleTimeout === Infinity) return;
    const now = performance.now();
    for (const worker of this.#roster.seated) {
      if (worker.state !== 'idle' || worker.phase !== 'open') continue;
      const end = worker.idleSince + idleTimeout;
      if (end <= now) worker.retire();
      this.#agenda.add(Math.max(end, now), this.#schedule);
    }
  }

  readonly #checkTasks = (): void => {
    const now = performance.now();
    let next = Infinity;
    for (const worker of this.#roster.seated) {
      if (worker.hasEnded) continue;
      const expired: [Task, number][] = [];
      const expire = (task: Task, items: number): void => void expired.push([task, items]);
      next = Math.min(next, worker.checkTimeouts(now, expire));
      if (expired.length === 0) continue;
      this.#crew.takeBack(worker);
      if (worker.phase !== 'leaving') this.terminate(worker);
      for (const [task, items] of expired) task.job.expired(task, items);
    }
    this.#agenda.add(next, this.#checkTasks);
  };

  readonly #checkStarts = (): void => {
    const { initializerTimeout } = this.#settings;
    const now = performance.now();
    for (const worker of this.#roster.available) {
      if (worker.isReady || worker.failure !== undefined) continue;
      const end = worker.startedAt + initializerTimeout;
      if (now < end) {
        this.#agenda.add(end, this.#checkStarts);
        continue;
      }
      worker.failStart(
        new TimeoutError(`the initializer took longer than ${initializerTimeout} ms`),
      );
    }
  };

  readonly #killOverdue = (): void => {
    for (const worker of this.#roster.all) {
      if (performance.now() < worker.killAt) this.#agenda.add(worker.killAt, this.#killOverdue);
      else worker.kill();
    }
  };
}
