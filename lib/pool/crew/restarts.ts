// When a pool is broken: its workers end, again and again, and new ones do not help.
import { ProcessError } from '../../common/errors.js';
import { performance } from '../../common/originals.js';
import type { Worker } from './worker.js';

/** The pool breaks after this many failed initializers in a row. */
const MAX_FAILED_STARTS = 3;
/**
 * The pool breaks after this many workers in a row that are killed before they are ready, which may
 * be an accident.
 */
const MAX_KILLED_STARTS = 20;
/** How long a lost worker counts, in milliseconds. */
const LOSS_COUNTS_MS = 60_000;

function tooMany(message: string): { reason: unknown } {
  return { reason: new ProcessError('ERR_TRUEFORK_WORKER_LOST', message) };
}

/** Counts workers that end when they should not: a pool must not fork for ever to no avail. */
export class Restarts {
  readonly #most: number;
  #failedStarts = 0;
  #times: number[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** Returns a reason if there were too many. */
  count(worker: Worker, signal: NodeJS.Signals | null): { reason: unknown } | undefined {
    return this.#countStart(worker, signal) ?? this.#countRate();
  }

  #countStart(worker: Worker, signal: NodeJS.Signals | null): { reason: unknown } | undefined {
    if (worker.isReady) {
      this.#failedStarts = 0;
      return undefined;
    }
    this.#failedStarts++;
    const hasFailed = worker.failure !== undefined || signal === null;
    if (this.#failedStarts < (hasFailed ? MAX_FAILED_STARTS : MAX_KILLED_STARTS)) return undefined;
    if (worker.failure !== undefined) return { reason: worker.failure };
    const how = signal ?? 'they exit';
    return tooMany(`${this.#failedStarts} workers in a row ended before they were ready (${how})`);
  }

  #countRate(): { reason: unknown } | undefined {
    if (this.#most === Infinity) return undefined;
    const now = performance.now();
    this.#times = [...this.#times.filter((time) => now - time < LOSS_COUNTS_MS), now];
    if (this.#times.length <= this.#most) return undefined;
    return tooMany(
      `${this.#times.length} workers were lost within ${LOSS_COUNTS_MS / 1000} seconds`,
    );
  }
}
