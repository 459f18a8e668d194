// Pools of worker processes.
import { ProcessError } from '../common/errors.js';
import { inspectBy } from '../common/inspection.js';
import { refuseSurplus } from '../common/options.js';
import { emitWarning } from '../common/originals.js';
import { checkReceivers } from '../common/receivers.js';
import {
  Deadline,
  syncTimeout,
  waitOptions,
  type SyncWaitOptions,
  type WaitOptions,
} from '../common/waiting.js';
import { cpuCount } from '../process/cpu-count.js';
import { AsyncResult } from './async-result.js';
import { Crew } from './crew/crew.js';
import {
  assertProcesses,
  readMap,
  readTask,
  readTaskAsync,
  settings,
  type AnyFunction,
  type Callbacks,
  type ImapOptions,
  type MapOptions,
  type PoolOptions,
  type Progress,
  type TaskOptions,
} from './options.js';
import { ResultIterator } from './result-iterator.js';
import { statisticsOf, type PoolStatistics } from './statistics.js';
import { assertIterable, type Input, Submissions } from './submissions.js';

export { AsyncResult, ResultIterator };
export type {
  Callbacks,
  ImapOptions,
  Input,
  MapOptions,
  PoolOptions,
  PoolStatistics,
  Progress,
  TaskOptions,
};

const CALLBACKS_IN_OPTIONS = 'callbacks are options, as in { callback, errorCallback }';

type Settled<R> = PromiseSettledResult<Awaited<R>>[];

/** Pools that were dropped while they were running. */
const dropped = new FinalizationRegistry<Crew>((crew) => {
  // In a child the pool of its parent is garbage, too.
  if (crew.state !== 'RUN' || !crew.isOurs) return;
  emitWarning(
    'A pool was garbage and had not been closed; call close() or terminate(), or use `await using`',
    'ResourceWarning',
  );
  crew.close();
});

/**
 * Processes that run the functions they are given: Python's `multiprocessing.Pool`.
 *
 * Workers are forks of this process, made when they are needed: at the end of the synchronous
 * code that first submits a function. So functions are never serialized, and see all that this
 * process had then, without a copy; a function that is new makes the pool replace workers that
 * do not know it. Arguments and results go by structured clone, except that the items of a `map()`
 * with a new function, too, are simply there.
 *
 * Errors arrive with class, message, own properties and cause; their stack has the caller's
 * frames and below them those of the worker. If a worker is lost, exactly the tasks that it was
 * running fail, with a WorkerLostError, and another takes its place.
 *
 * @example
 * ```ts
 * await using pool = new Pool();
 * const sizes = await pool.map((path) => compress(path).length, paths);
 * ```
 */
export class Pool<Init extends unknown[] = unknown[]> {
  readonly #crew: Crew;
  readonly #submissions: Submissions;

  /**
   * Forks nothing yet.
   *
   * @param processes how many tasks run at once, default `cpuCount()`; or all options
   * @throws RangeError, TypeError
   */
  constructor(
    processes?: number | null | PoolOptions<Init>,
    initializer?: (...args: Init) => unknown,
    initArgs?: Init,
    maxTasksPerChild?: number | null,
  ) {
    const crew = new Crew(settings([processes, initializer, initArgs, maxTasksPerChild], cpuCount));
    this.#crew = crew;
    this.#submissions = new Submissions(crew);
    dropped.register(this, crew, this);
  }

  /**
   * Runs `fn(...args)` in a worker, and returns what it returns or resolves to.
   *
   * @throws what it throws or rejects with
   * @throws WorkerLostError if its worker ended meanwhile
   * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE` if an argument or the result cannot be sent,
   *   `ERR_TRUEFORK_POOL_CLOSED`, `ERR_TRUEFORK_POOL_TERMINATED`, `ERR_TRUEFORK_NOT_THE_CREATOR`,
   *   and what `Process.start()` throws
   * @throws BrokenPoolError
   * @throws TimeoutError, AbortError
   */
  apply<Args extends unknown[], R>(
    fn: (...args: Args) => R,
    args?: Args,
    options: TaskOptions = {},
  ): Promise<Awaited<R>> {
    return this.#promised(() => this.#submissions.call(fn, args, readTask(options), this.apply));
  }

  /** As {@link apply}, and returns at once. Throws if the pool does not run. */
  applyAsync<Args extends unknown[], R>(
    fn: (...args: Args) => R,
    args?: Args,
    options: TaskOptions & Callbacks<Awaited<R>> = {},
    ...surplus: never[]
  ): AsyncResult<Awaited<R>> {
    refuseSurplus(surplus, CALLBACKS_IN_OPTIONS);
    return this.#submissions.call(fn, args, readTaskAsync(options), this.applyAsync);
  }

  /** As {@link apply}, and blocks the thread. */
  applySync<Args extends unknown[], R>(
    fn: (...args: Args) => R,
    args?: Args,
    options: TaskOptions = {},
  ): Awaited<R> {
    return this.#submissions
      .call<Awaited<R>>(fn, args, readTask(options), this.applySync)
      .getSync();
  }

  /**
   * Calls `fn` with each item, in tasks of several items, and returns the list of results in the
   * order of the items. An error ends its task; when all tasks are over the first error is thrown.
   *
   * @param options `{ chunksize, timeout, signal, retries, onProgress, progress, failFast, settle
   *   }`, or the chunksize
   * @throws as {@link apply} does
   */
  map<T, R>(
    fn: (item: T) => R,
    iterable: Input<T>,
    options: MapOptions & { settle: true },
  ): Promise<Settled<R>>;
  map<T, R>(
    fn: (item: T) => R,
    iterable: Input<T>,
    options?: number | 'auto' | MapOptions,
  ): Promise<Awaited<R>[]>;
  map(
    fn: AnyFunction,
    iterable: Input<unknown>,
    options: number | 'auto' | MapOptions = {},
  ): Promise<unknown[]> {
    return this.#promised(() =>
      this.#submissions.map(fn, iterable, false, readMap(options), this.map),
    );
  }

  /** As {@link map}, and returns at once. Throws if the pool does not run. */
  mapAsync<T, R>(
    fn: (item: T) => R,
    iterable: Input<T>,
    options?: number | 'auto' | (MapOptions & Callbacks<Awaited<R>[]>),
    ...surplus: never[]
  ): AsyncResult<Awaited<R>[]> {
    refuseSurplus(surplus, CALLBACKS_IN_OPTIONS);
    return this.#submissions.mapAsync(fn, iterable, false, options, this.mapAsync);
  }

  /** As {@link map}, and blocks the thread. */
  mapSync<T, R>(
    fn: (item: T) => R,
    iterable: Iterable<T>,
    options: MapOptions & { settle: true },
  ): Settled<R>;
  mapSync<T, R>(
    fn: (item: T) => R,
    iterable: Iterable<T>,
    options?: number | 'auto' | MapOptions,
  ): Awaited<R>[];
  mapSync(
    fn: AnyFunction,
    iterable: Iterable<unknown>,
    options: number | 'auto' | MapOptions = {},
  ): unknown[] {
    assertIterable(iterable, false);
    return this.#submissions.map(fn, iterable, false, readMap(options), this.mapSync).getSync();
  }

  /** As {@link map}, for items that are lists of arguments: calls `fn(...item)`. */
  starmap<Args extends unknown[], R>(
    fn: (...args: Args) => R,
    iterable: Input<Args>,
    options: MapOptions & { settle: true },
  ): Promise<Settled<R>>;
  starmap<Args extends unknown[], R>(
    fn: (...args: Args) => R,
    iterable: Input<Args>,
    options?: number | 'auto' | MapOptions,
  ): Promise<Awaited<R>[]>;
  starmap(
    fn: AnyFunction,
    iterable: Input<unknown>,
    options: number | 'auto' | MapOptions = {},
  ): Promise<unknown[]> {
    return this.#promised(() =>
      this.#submissions.map(fn, iterable, true, readMap(options), this.starmap),
    );
  }

  /** As {@link starmap}, and returns at once. Throws if the pool does not run. */
  starmapAsync<Args extends unknown[], R>(
    fn: (...args: Args) => R,
    iterable: Input<Args>,
    options?: number | 'auto' | (MapOptions & Callbacks<Awaited<R>[]>),
    ...surplus: never[]
  ): AsyncResult<Awaited<R>[]> {
    refuseSurplus(surplus, CALLBACKS_IN_OPTIONS);
    return this.#submissions.mapAsync(fn, iterable, true, options, this.starmapAsync);
  }

  /** As {@link starmap}, and blocks the thread. */
  starmapSync<Args extends unknown[], R>(
    fn: (...args: Args) => R,
    iterable: Iterable<Args>,
    options: MapOptions & { settle: true },
  ): Settled<R>;
  starmapSync<Args extends unknown[], R>(
    fn: (...args: Args) => R,
    iterable: Iterable<Args>,
    options?: number | 'auto' | MapOptions,
  ): Awaited<R>[];
  starmapSync(
    fn: AnyFunction,
    iterable: Iterable<unknown>,
    options: number | 'auto' | MapOptions = {},
  ): unknown[] {
    assertIterable(iterable, false);
    return this.#submissions.map(fn, iterable, true, readMap(options), this.starmapSync).getSync();
  }

  /**
   * Calls `fn` with each item, and gives the results one by one, in the order of the items. Items
   * are taken from the input as far as results are taken from the iterator, so that the input may
   * be endless. An item that fails is an error in its place; the others are not concerned.
   *
   * @param options `{ chunksize, buffersize, timeout, signal, retries, onProgress, progress }`, or
   *   the chunksize; default: 1
   */
  imap<T, R>(
    fn: (item: T) => R,
    iterable: Input<T>,
    options: number | ImapOptions = {},
  ): ResultIterator<Awaited<R>> {
    return this.#submissions.imap(fn, iterable, true, options, this.imap) as ResultIterator<
      Awaited<R>
    >;
  }

  /** As {@link imap}, in the order in which the results come. */
  imapUnordered<T, R>(
    fn: (item: T) => R,
    iterable: Input<T>,
    options: number | ImapOptions = {},
  ): ResultIterator<Awaited<R>> {
    return this.#submissions.imap(
      fn,
      iterable,
      false,
      options,
      this.imapUnordered,
    ) as ResultIterator<Awaited<R>>;
  }

  /**
   * Takes no more tasks. When all are done the workers end, and before that finish the requests
   * (files, look-ups, what is written to sockets) that tasks have begun and not awaited, within
   * five seconds.
   */
  close(): void {
    this.#crew.close();
    dropped.unregister(this);
  }

  /**
   * Ends the workers, by SIGTERM, and by SIGKILL those that have not ended a second later. Results
   * that are not there yet are rejected, with `ERR_TRUEFORK_POOL_TERMINATED`; work that tasks have
   * begun and not awaited is lost. It need not be waited for.
   */
  terminate(): void {
    this.#crew.terminate();
    dropped.unregister(this);
  }

  /**
   * Waits until all workers have ended. Call {@link close} or {@link terminate} before.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit
   * @returns false after the timeout
   * @throws ProcessError `ERR_TRUEFORK_STILL_RUNNING`
   * @throws AbortError
   */
  async join(options: number | WaitOptions = {}): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    return this.#crew.join(timeout, signal);
  }

  /** As {@link join}, and blocks the thread. */
  joinSync(options: number | SyncWaitOptions = {}): boolean {
    return this.#crew.joinSync(new Deadline(syncTimeout(options)));
  }

  /** For `await using`: {@link terminate}, then {@link join}. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.terminate();
    await this.join();
  }

  /** For `using`: {@link terminate}, then {@link joinSync}. */
  [Symbol.dispose](): void {
    this.terminate();
    this.joinSync();
  }

  /** Changes how many tasks run at once. Workers that are too many end when their task is done. */
  resize(processes: number): void {
    assertProcesses(processes);
    this.#crew.resize(processes);
  }

  /** How many tasks run at once. */
  get processes(): number {
    return this.#crew.settings.processes;
  }

  /** The state of the pool and its workers, and what they have done. */
  statistics(): PoolStatistics {
    return statisticsOf(this.#crew);
  }

  toString(): string {
    return `<${this.constructor.name} state=${this.#crew.state} pool_size=${this.processes}>`;
  }

  /** A pool is not sent to other processes. @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE` */
  toJSON(): never {
    throw new ProcessError(
      'ERR_TRUEFORK_NOT_CLONABLE',
      'pool objects cannot be passed between processes',
    );
  }

  /** Misuse of what returns a promise is a rejection. */
  #promised<T>(submit: () => AsyncResult<T>): Promise<T> {
    try {
      return submit().get();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  static {
    checkReceivers(this, (object) => #crew in object);
  }
}

inspectBy(Pool);
