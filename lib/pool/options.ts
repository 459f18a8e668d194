// Options of pools and of their tasks.
import {
  arrayOption,
  assertUsed,
  booleanOption,
  type Check,
  type Checks,
  functionOption,
  optionsReader,
  type Reader,
  refuseSurplus,
  signalOption,
  timeoutOption,
} from '../common/options.js';
import { assertInteger, outOfRange } from '../common/validate.js';

// oxlint-disable-next-line typescript/no-explicit-any -- whatever its arguments are
export type AnyFunction = (...args: any[]) => unknown;

/** Options of a pool. */
export interface PoolOptions<Init extends unknown[] = unknown[]> {
  /** How many tasks run at once, each in a process of its own. Default: `cpuCount()`. */
  processes?: number | undefined;
  /** Called in each worker before its first task; may be asynchronous. */
  initializer?: ((...args: Init) => unknown) | undefined;
  /** Its arguments; not serialized. */
  initArgs?: Init | undefined;
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

/** Options of one call of the function. */
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
  /**
   * Called with the value, before the result is ready. If it throws, that is the result's error.
   */
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

/** Options of a map. */
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

/** Options of an imap. */
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
  initArgs: readonly unknown[];
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

function durationOption(value: unknown, name: string): number {
  const duration = timeoutOption(value, name);
  if (duration <= 0) throw outOfRange(name, '> 0', value);
  return duration;
}

function countOption(min: number): Check<number> {
  return (value, name) => {
    if (value === null || value === Infinity) return Infinity;
    assertInteger(value, name, min);
    return value;
  };
}

/** How many items: 1 or more. */
export function itemsOption(value: unknown, name: string): number {
  assertInteger(value, name, 1);
  return value;
}

function processesOption(value: unknown): number {
  assertProcesses(value);
  return value;
}

function concurrencyOption(value: unknown, name: string): number {
  assertInteger(value, name, 1, 512);
  return value;
}

const readPoolOptions = optionsReader<PoolOptions<never[]>>('a Pool', {
  processes: processesOption,
  initializer: functionOption,
  initArgs: arrayOption,
  initializerTimeout: durationOption,
  maxTasksPerChild: countOption(1),
  maxMemoryPerChild: countOption(1),
  idleTimeout: durationOption,
  concurrency: concurrencyOption,
  maxRestarts: countOption(0),
});

/**
 * The arguments of the constructor: all options in one object, or the first ones as Python has
 * them.
 */
export type PoolArguments = [
  processes: unknown,
  initializer: unknown,
  initArgs: unknown,
  maxTasksPerChild: unknown,
];

function optionsFrom([first, ...others]: PoolArguments): PoolOptions<never[]> {
  if (typeof first === 'object' && first !== null) {
    refuseSurplus(others, 'options are in one object');
    return readPoolOptions(first);
  }
  const [initializer, initArgs, maxTasksPerChild] = others;
  const processes = first ?? undefined;
  return readPoolOptions({ processes, initializer, initArgs, maxTasksPerChild });
}

export function settings(args: PoolArguments, defaultProcesses: () => number): Settings {
  const options = optionsFrom(args);
  const { initializer, initArgs } = options;
  assertUsed('initArgs', initArgs, 'initializer', initializer);
  return {
    processes: options.processes ?? defaultProcesses(),
    initializer: initializer as AnyFunction | undefined,
    initArgs: initArgs ?? [],
    initializerTimeout: options.initializerTimeout ?? 60_000,
    maxTasks: options.maxTasksPerChild ?? Infinity,
    maxGrowth: options.maxMemoryPerChild ?? Infinity,
    idleTimeout: options.idleTimeout ?? Infinity,
    concurrency: options.concurrency ?? 1,
    maxRestarts: options.maxRestarts ?? Infinity,
  };
}

/** Checked {@link TaskOptions}. */
export interface TaskSettings {
  timeout: number;
  signal: AbortSignal | undefined;
  retries: number;
}

export const TASK: Checks<TaskOptions> = {
  timeout: durationOption,
  signal: signalOption,
  retries: countOption(0),
};

const CALLBACKS: Checks<Callbacks<never>> = {
  callback: functionOption,
  errorCallback: functionOption,
};

const PROGRESS: Checks<Pick<MapOptions, 'onProgress' | 'progress'>> = {
  onProgress: functionOption,
  progress: booleanOption,
};

function chunksizeOption(value: unknown, name: string): number | 'auto' {
  return value === 'auto' ? value : itemsOption(value, name);
}

export const MAP: Checks<MapOptions> = {
  ...TASK,
  ...PROGRESS,
  chunksize: chunksizeOption,
  failFast: booleanOption,
  settle: booleanOption,
};

const ADVICE = {
  hints: {
    callback: 'it is for the methods that return an AsyncResult',
    errorcallback: 'it is for the methods that return an AsyncResult',
  },
};

/** Options of a call, and of a map, with and without callbacks. */
export const readTask: Reader<TaskOptions> = optionsReader('a task', TASK, ADVICE);
export const readTaskAsync: Reader<TaskOptions & Callbacks<never>> = optionsReader('a task', {
  ...TASK,
  ...CALLBACKS,
});
const readMapObject = optionsReader<MapOptions>('a map', MAP, ADVICE);
const readMapAsyncObject = optionsReader<MapOptions & Callbacks<never>>('a map', {
  ...MAP,
  ...CALLBACKS,
});
const readImapObject = optionsReader<ImapOptions>(
  'an imap',
  { ...TASK, ...PROGRESS, chunksize: itemsOption, buffersize: itemsOption },
  ADVICE,
);

/** A number is the chunksize. */
export function orChunksize<Options>(read: Reader<Options>): Reader<Options> {
  return (given) => {
    const isChunksize = typeof given === 'number' || given === 'auto';
    return read(isChunksize ? { chunksize: given } : given);
  };
}

export const readMap: Reader<MapOptions> = orChunksize(readMapObject);
export const readMapAsync: Reader<MapOptions & Callbacks<never>> = orChunksize(readMapAsyncObject);
export const readImap: Reader<ImapOptions> = orChunksize(readImapObject);

export function taskSettings({ timeout, signal, retries }: TaskOptions): TaskSettings {
  return { timeout: timeout ?? Infinity, signal, retries: retries ?? 0 };
}
