// Calls and maps of a user, made into jobs for the crew of a pool.
import { assertFunction, assertType } from '../common/validate.js';
import { AsyncResult } from './async-result.js';
import type { Crew, Expected } from './crew/crew.js';
import { CallJob } from './jobs/call-job.js';
import { ImapJob } from './jobs/imap-job.js';
import type { JobPlan } from './jobs/job.js';
import { MapJob } from './jobs/map-job.js';
import {
  readImap,
  readMapAsync,
  taskSettings,
  type AnyFunction,
  type Callbacks,
  type ImapOptions,
  type MapOptions,
  type TaskOptions,
} from './options.js';
import { makeWatcher } from './progress.js';
import { ResultIterator } from './result-iterator.js';

/** The number of tasks for each process, if a map is not told how many items make one. */
const TASKS_EACH = 4;

/** A source of items, for methods that return a promise. */
export type Input<T> = Iterable<T> | AsyncIterable<T>;

function isAsyncIterable(input: unknown): input is AsyncIterable<unknown> {
  return typeof (input as AsyncIterable<unknown>)[Symbol.asyncIterator] === 'function';
}

export function assertIterable(input: unknown, canBeAsync: boolean): void {
  const isObject = (typeof input === 'object' && input !== null) || typeof input === 'string';
  const { [Symbol.iterator]: iterator } = Object(input) as Partial<Iterable<unknown>>;
  const isRight = typeof iterator === 'function' || (canBeAsync && isAsyncIterable(Object(input)));
  assertType(isObject && isRight, 'iterable', 'an iterable', input);
}

async function collect(input: AsyncIterable<unknown>): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const item of input) items.push(item);
  return items;
}

/**
 * In each of these `method` is that of the pool which the user has called: the frames above it are
 * the user's.
 */
export class Submissions {
  readonly #crew: Crew;

  constructor(crew: Crew) {
    this.#crew = crew;
  }

  #plan(
    fn: AnyFunction,
    spreads: boolean,
    options: TaskOptions & Pick<MapOptions, 'onProgress' | 'progress'>,
    method: AnyFunction,
  ): JobPlan {
    assertFunction(fn, 'fn');
    const { timeout, signal, retries } = taskSettings(options);
    const watcher = makeWatcher(options);
    return {
      fn,
      spreads,
      timeout,
      signal,
      retries,
      watcher,
      callSite: this.#crew.callSites.capture(method, fn),
    };
  }

  call<R>(
    fn: AnyFunction,
    args: readonly unknown[] = [],
    options: TaskOptions & Callbacks<never>,
    method: AnyFunction,
  ): AsyncResult<R> {
    assertType(Array.isArray(args), 'args', 'an array', args);
    const plan = this.#plan(fn, true, options, method);
    const result = new AsyncResult<R>(this.#crew, options as Callbacks<R>);
    this.#crew.submit(new CallJob(plan, args, result as AsyncResult<unknown>));
    return result;
  }

  mapAsync<R>(
    fn: AnyFunction,
    iterable: Input<unknown>,
    spreads: boolean,
    options: unknown = {},
    method: AnyFunction,
  ): AsyncResult<R> {
    return this.map(
      fn,
      iterable,
      spreads,
      readMapAsync(options),
      method,
    ) as AsyncResult<unknown> as AsyncResult<R>;
  }

  map(
    fn: AnyFunction,
    iterable: Input<unknown>,
    spreads: boolean,
    options: MapOptions & Callbacks<never>,
    method: AnyFunction,
  ): AsyncResult<unknown[]> {
    const { chunksize, failFast = false, settle = false } = options;
    assertIterable(iterable, true);
    this.#crew.assertRunning();
    const plan = this.#plan(fn, spreads, options, method);
    const result = new AsyncResult<unknown[]>(this.#crew, options as Callbacks<unknown[]>);
    const submit = (items: readonly unknown[], expected?: Expected): void => {
      const { processes, concurrency } = this.#crew.settings;
      const tasks = processes * concurrency * TASKS_EACH;
      const size = chunksize ?? Math.max(1, Math.ceil(items.length / tasks));
      const job = new MapJob(
        { ...plan, items, chunksize: size, failFast, settle, processes },
        result as AsyncResult<unknown>,
      );
      this.#crew.submit(job, expected);
      job.endIfEmpty();
    };
    if (isAsyncIterable(iterable)) void this.#readInput(iterable, submit, result);
    else submit([...iterable]);
    return result;
  }

  async #readInput(
    input: AsyncIterable<unknown>,
    submit: (items: readonly unknown[], expected: Expected) => void,
    result: AsyncResult<unknown[]>,
  ): Promise<void> {
    const expected: Expected = {
      fail: (error, isExpected) => {
        if (!result.ready()) result.reject(error, isExpected);
      },
    };
    this.#crew.expect(expected);
    try {
      const items = await collect(input);
      if (!result.ready()) submit(items, expected);
    } catch (error) {
      this.#crew.forgo(expected);
      expected.fail(error, false);
    }
  }

  imap(
    fn: AnyFunction,
    iterable: Input<unknown>,
    isOrdered: boolean,
    given: number | ImapOptions,
    method: AnyFunction,
  ): ResultIterator<unknown> {
    const options = readImap(given);
    const { chunksize = 1, buffersize } = options;
    assertIterable(iterable, true);
    const { processes, concurrency } = this.#crew.settings;
    const plan = this.#plan(fn, false, options, method);
    const isAsync = isAsyncIterable(iterable);
    const job = new ImapJob({
      ...plan,
      source: isAsync ? iterable[Symbol.asyncIterator]() : iterable[Symbol.iterator](),
      isAsync,
      isOrdered,
      chunksize,
      buffersize,
      processes: processes * concurrency,
    });
    this.#crew.submit(job);
    return new ResultIterator(job, this.#crew);
  }
}
