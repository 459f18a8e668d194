// multiprocessing.JoinableQueue.
import { ProcessError } from '../common/errors.js';
import { checkReceivers } from '../common/receivers.js';
import {
  syncTimeout,
  type SyncWaitOptions,
  type WaitOptions,
  waitOptions,
} from '../common/waiting.js';
import type { Ring } from '../native/queue.js';
import { Queue, type QueueOptions, ringOf } from './queue.js';
import { makeQueueShareable } from './sending.js';
import { TaskLine } from './task-line.js';

function tasksLost(count: number): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_TASKS_LOST',
    `${count} of the items were taken by processes that ended without taskDone()`,
  );
}

/**
 * A {@link Queue} whose items are tasks, as Python's `multiprocessing.JoinableQueue`: whoever got
 * one says so when it is done, and {@link join} waits until all are.
 *
 * @example
 * ```ts
 * const queue = new JoinableQueue<string>();
 * const consumer = async () => {
 *   for await (const path of queue) {
 *     await index(path);
 *     queue.taskDone();
 *   }
 * };
 * new Process({ target: consumer, daemon: true }).start();
 * for (const path of paths) await queue.put(path);
 * await queue.join();
 * ```
 */
export class JoinableQueue<T = unknown> extends Queue<T> {
  readonly #tasks: TaskLine;

  /** See {@link Queue}. */
  constructor(maxsize?: number, options?: QueueOptions);
  /** @internal Over memory that is there. */
  constructor(maxsize?: number, options?: QueueOptions, ring?: Ring);
  constructor(maxsize?: number, options?: QueueOptions, ring?: Ring) {
    super(maxsize, options, ring);
    this.#tasks = new TaskLine(ringOf(this));
  }

  /**
   * Says that an item that was got, here or in another process, is done.
   *
   * @throws ProcessError `ERR_TRUEFORK_TOO_MANY_DONE` if there were not so many
   */
  taskDone(): void {
    if (this.#tasks.setDone()) return;
    throw new ProcessError('ERR_TRUEFORK_TOO_MANY_DONE', 'task_done() called too many times');
  }

  /**
   * Waits until all items that were put, by any process, are done.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit
   * @returns false after the timeout
   * @throws ProcessError `ERR_TRUEFORK_TASKS_LOST`: all but some are done, and those are
   *   with processes that have ended. They count as done from then on. (In Python this waits for
   *   ever.)
   * @throws AbortError
   */
  async join(options: number | WaitOptions = Infinity): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    return this.#settle(await this.#tasks.join(timeout, signal));
  }

  /** As {@link join}, and blocks the thread. */
  joinSync(options: number | SyncWaitOptions = Infinity): boolean {
    return this.#settle(this.#tasks.joinSync(syncTimeout(options)));
  }

  #settle(hasEnded: boolean): boolean {
    const lost = hasEnded ? this.#tasks.writeOff() : 0;
    if (lost > 0) throw tasksLost(lost);
    return hasEnded;
  }

  static {
    checkReceivers(this, (object) => #tasks in object);
    makeQueueShareable<JoinableQueue>(
      JoinableQueue,
      ringOf,
      (ring) => new JoinableQueue(ring.most(), {}, ring),
    );
  }
}
