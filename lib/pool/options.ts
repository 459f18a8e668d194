// What pools and their tasks can be told.
import { assertFunction, assertInteger, assertType, outOfRange } from '../validate.js';
import { waitOptions } from '../waiting.js';

// oxlint-disable-next-line typescript/no-explicit-any -- whatever its arguments are
export type AnyFunction = (...args: any[]) => unknown;

/** What a pool is made of. */
export interface PoolOptions<Init extends unknown[] = unknown[]> {
  /** How many tasks run at once, each in a process of its own. Default: `cpuCount()`. */
  processes?: number | undefined;
  /** Called in each worker before its first task; may be asynchronous. */
  initializer?: ((...args: Init) => unknown) | undefined;
  /** Its arguments; not serialized. */
  initargs?: Init | undefined;
  /** How long the initializer may take, in milliseconds. Default: 60,000. */
  initializerTimeout?: number | undefined;
  /** After so many tasks (of a map: chunks) a worker is replaced. Default: never. */
  maxTasksPerChild?: number | null | undefined;
  /**
   * A worker whose resident memory has grown by more bytes than that since it was forked is
   * replaced when its task is done. Default: no limit.
   */
  maxMemoryPerChild?: number | undefined;
  /** After so many milliseconds without a task a worker ends. Default: never. */
  idleTimeout?: number | undefined;
  /** How many tasks that wait (for I/O, for a timer) a worker runs at a time. Default: 1. */
  concurrency?: number | undefined;
  /** If more workers than that are lost within a minute the pool is broken. Default: no limit. */
  maxRestarts?: number | undefined;
}

/** What holds for one call of the function. */
export interface TaskOptions {
  /**
   * How long one call may take, in milliseconds, from when it begins. Then its worker is ended
   * and the result is a TimeoutError. Default: no limit.
   */
  timeout?: number | undefined;
  /** Drops what has not begun, and ends the workers that run the rest: an AbortError. */
  signal?: AbortSignal | undefined;
  /** How often to run a task again whose worker was lost. Default: 0. */
  retries?: number | undefined;
}

/** For those that return an {@link AsyncResult}. */
export interface Callbacks<T> {
  /** Called with the value, before the result is ready. What it throws becomes the result's error. */
  callback?: ((value: T) => void) | undefined;
  /** Called with the error, likewise. */
  errorCallback?: ((error: unknown) => void) | undefined;
}

/** How far a map has come. */
export interface Progress {
  /** How many items are done, failed ones included. */
  done: number;
  /** How many there are; undefined if nobody knows yet. */
  total: number | undefined;
}

/** What holds for a map. */
export interface MapOptions extends TaskOptions {
  /**
   * How many items make a task. Default for map: so that each process gets four; for imap: 1.
   * 'auto': as many as take about 50 ms.
   */
  chunksize?: number | 'auto' | undefined;
  /** Called when items are done, some at a time. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Shows progress on stderr: a bar on a terminal, if cli-progress is installed, else lines. */
  progress?: boolean | undefined;
  /** Ends with the first error, and not when all that was begun is done. */
  failFast?: boolean | undefined;
  /** Runs every item, whatever becomes of the others: results are as of `Promise.allSettled()`. */
  settle?: boolean | undefined;
}

/** What holds for an imap. */
export interface ImapOptions extends TaskOptions {
  chunksize?: number | undefined;
  /**
   * How many items to take from the input before their results are asked for. Default: a few
   * for each process, more if they take less than a millisecond.
   */
  buffersize?: number | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  progress?: boolean | undefined;
}

/** Checked, with the defaults in place. */
export interface Settings {
  processes: number;
  initializer: AnyFunction | undefined;
  initargs: readonly unknown[];
  initializerTimeout: number;
  maxTasks: number;
  maxGrowth: number;
  idleTimeout: number;
  concurrency: number;
  maxRestarts: number;
}

export function assertProcesses(processes: unknown): asserts processes is number {
  assertInteger(processes, 'processes');
  if (processes >= 1) return;
  const error = new RangeError(`Number of processes must be at least 1. Received ${processes}`);
  throw Object.assign(error, { code: 'ERR_OUT_OF_RANGE' });
}

function milliseconds(value: number | undefined, name: string, otherwise: number): number {
  if (value === undefined) return otherwise;
  const isNumber = typeof value === 'number' && !Number.isNaN(value);
  assertType(isNumber, name, 'a number of milliseconds', value);
  if (value <= 0) throw outOfRange(name, '> 0', value);
  return value;
}

function count(value: number | null | undefined, name: string, min = 1): number {
  if (value === undefined || value === null || value === Infinity) return Infinity;
  assertInteger(value, name, min);
  return value;
}

export function settings(options: PoolOptions<never[]>, processes: number): Settings {
  const { initializer, initargs } = options;
  assertProcesses(processes);
  if (initializer !== undefined) assertFunction(initializer, 'initializer');
  assertType(initargs === undefined || Array.isArray(initargs), 'initargs', 'an array', initargs);
  const { concurrency = 1 } = options;
  assertInteger(concurrency, 'concurrency', 1, 512);
  return {
    processes,
    initializer: initializer as AnyFunction | undefined,
    initargs: initargs ?? [],
    initializerTimeout: milliseconds(options.initializerTimeout, 'initializerTimeout', 60_000),
    maxTasks: count(options.maxTasksPerChild, 'maxTasksPerChild'),
    maxGrowth: count(options.maxMemoryPerChild, 'maxMemoryPerChild'),
    idleTimeout: milliseconds(options.idleTimeout, 'idleTimeout', Infinity),
    concurrency,
    maxRestarts: count(options.maxRestarts, 'maxRestarts', 0),
  };
}

/** Checked {@link TaskOptions}. */
export interface TaskSettings {
  timeout: number;
  signal: AbortSignal | undefined;
  retries: number;
}

const DEFAULTS: TaskSettings = { timeout: Infinity, signal: undefined, retries: 0 };

export function taskSettings(options: TaskOptions): TaskSettings {
  const { timeout, signal: abort, retries: again } = options;
  if (timeout === undefined && abort === undefined && again === undefined) return DEFAULTS;
  const { retries = 0 } = options;
  const { signal } = waitOptions({ signal: options.signal });
  if (retries !== Infinity) assertInteger(retries, 'retries', 0);
  return { timeout: milliseconds(options.timeout, 'timeout', Infinity), signal, retries };
}
