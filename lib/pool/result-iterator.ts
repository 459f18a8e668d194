// The results of an imap(), one after the other.
import { TimeoutError } from '../common/errors.js';
import { checkReceivers } from '../common/receivers.js';
import {
  Deadline,
  syncTimeout,
  waitFor,
  waitOptions,
  type SyncWaitOptions,
  type WaitOptions,
} from '../common/waiting.js';
import type { Crew } from './crew/crew.js';
import type { ImapJob, Outcome } from './jobs/imap-job.js';
import { holdLoop } from './keep-alive.js';

/** Iterators that were dropped before they were at their end. */
const dropped = new FinalizationRegistry<{ job: ImapJob; crew: Crew }>(({ job, crew }) => {
  if (crew.isOurs) job.cancel();
});

function result<T>(outcome: Outcome | null): IteratorResult<T, undefined> {
  if (outcome === null) return { done: true, value: undefined };
  if ('error' in outcome) throw outcome.error;
  return { done: false, value: outcome.value as T };
}

function notInTime(): TimeoutError {
  return new TimeoutError('the next result was not ready in time');
}

/**
 * The results of an `imap()`, as they come. For `for await`, which ends with the first
 * error, or by {@link next}, which goes on behind it.
 */
export class ResultIterator<T> implements AsyncIterable<T> {
  readonly #job: ImapJob;
  readonly #crew: Crew;
  /** The promise of the last call of next(): results come in the order of the calls. */
  #last: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(job: ImapJob, crew: Crew) {
    this.#job = job;
    this.#crew = crew;
    dropped.register(this, { job, crew });
  }

  /**
   * The next result, as an iterator gives it.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit. A
   *   result that does not come in time is not lost
   * @throws what the function has thrown for this item
   * @throws TimeoutError after the timeout
   * @throws AbortError
   * @throws ProcessError `ERR_TRUEFORK_NOT_THE_CREATOR` in a child that was forked before it was
   *   there
   */
  next(options: number | WaitOptions = {}): Promise<IteratorResult<T, undefined>> {
    const { timeout, signal } = waitOptions(options);
    const deadline = new Deadline(timeout);
    const turn = this.#last.then(() => this.#take(deadline, signal));
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** As {@link next}, and blocks the thread. */
  nextSync(options: number | SyncWaitOptions = {}): IteratorResult<T, undefined> {
    const deadline = new Deadline(syncTimeout(options));
    let outcome: Outcome | null | undefined;
    const isThere = (): boolean => (outcome = this.#job.take()) !== undefined;
    if (!this.#crew.pump(isThere, deadline)) throw notInTime();
    return result(outcome!);
  }

  /** Drops the rest: what was not begun is not done. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.#job.cancel();
    return { done: true, value: undefined };
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      for (let next = await this.next(); next.done !== true; next = await this.next()) {
        yield next.value;
      }
    } finally {
      this.#job.cancel();
    }
  }

  /**
   * Waits until there may be an outcome. Meanwhile the program goes on, whatever the input does.
   */
  async #outcome(deadline: Deadline, signal: AbortSignal | undefined): Promise<void> {
    this.#crew.assertOwned();
    const release = holdLoop();
    try {
      await waitFor(this.#job.outcomeWaiters, deadline.left, signal);
    } finally {
      release();
    }
  }

  async #take(
    deadline: Deadline,
    signal: AbortSignal | undefined,
  ): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      const outcome = this.#job.take();
      if (outcome !== undefined) return result(outcome);
      if (deadline.isOver) throw notInTime();
      await this.#outcome(deadline, signal);
    }
  }

  static {
    checkReceivers(this, (object) => #job in object);
  }
}
