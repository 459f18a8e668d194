// Pools: `name()` leaves the event loop free and `nameSync()` blocks the thread.
import { type Checks, optionsReader } from '../../../common/options.js';
import { assertIterable } from '../../../common/validate.js';
import {
  syncTimeout,
  type SyncWaitOptions,
  type WaitOptions,
  waitOptions,
} from '../../../common/waiting.js';
import { itemsOption, MAP, orChunksize, TASK } from '../../../pool/options.js';
import { type AnyFunction, assertRegistered, nameOf } from '../../functions.js';
import { type Makers, referenceOf } from '../../protocol/reference.js';
import type {
  RemoteImapOptions,
  RemoteMapOptions,
  RemoteTaskOptions,
} from '../../server/referents/pool.js';
import { BaseProxy } from './base.js';

/** A function that was registered, or its name. */
type Known = AnyFunction | string;
interface Cancellable {
  signal?: AbortSignal | undefined;
}

/** Objects that must live as long as another one: the pool of a result. */
const pools = new WeakMap<object, object>();

const { signal: signalCheck, ...TASK_THERE } = TASK;
const { chunksize, failFast, settle } = MAP;
const MAP_THERE: Checks<RemoteMapOptions> = { ...TASK_THERE, chunksize, failFast, settle };
const ADVICE = { hints: { signal: 'only the methods that return a promise can be aborted' } };

const readTask = optionsReader<RemoteTaskOptions & Cancellable>('a task', {
  ...TASK_THERE,
  signal: signalCheck,
});
const readTaskSync = optionsReader<RemoteTaskOptions>('a task', TASK_THERE, ADVICE);
const readMap = orChunksize(
  optionsReader<RemoteMapOptions & Cancellable>('a map', { ...MAP_THERE, signal: signalCheck }),
);
const readMapSync = orChunksize(optionsReader<RemoteMapOptions>('a map', MAP_THERE, ADVICE));
const readImap = orChunksize(
  optionsReader<RemoteImapOptions>('an imap', { ...TASK_THERE, chunksize: itemsOption }, ADVICE),
);

function listOf(iterable: unknown): unknown[] {
  assertIterable(iterable, 'iterable');
  return [...iterable];
}

/** The result of a task in the server. As `AsyncResult`. */
class AsyncResultProxy extends BaseProxy {
  get(options: number | WaitOptions = {}): Promise<any> {
    const { timeout, signal } = waitOptions(options);
    return referenceOf(this).callAsync('get', [timeout], signal);
  }

  getSync(options: number | SyncWaitOptions = {}): any {
    return referenceOf(this).call('get', syncTimeout(options));
  }

  async wait(options: number | WaitOptions = {}): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    return (await referenceOf(this).callAsync('wait', [timeout], signal)) as boolean;
  }

  waitSync(options: number | SyncWaitOptions = {}): boolean {
    return referenceOf(this).call('wait', syncTimeout(options)) as boolean;
  }

  ready(): boolean {
    return referenceOf(this).call('ready') as boolean;
  }

  successful(): boolean {
    return referenceOf(this).call('successful') as boolean;
  }
}

/** Results in the server, as they come. */
class PoolResultsProxy extends BaseProxy {
  async next(options: number | WaitOptions = {}): Promise<IteratorResult<any, undefined>> {
    const { timeout, signal } = waitOptions(options);
    const next = await referenceOf(this).callAsync('next', [timeout], signal);
    return next as IteratorResult<unknown, undefined>;
  }

  nextSync(options: number | SyncWaitOptions = {}): IteratorResult<any, undefined> {
    const next = referenceOf(this).call('next', syncTimeout(options));
    return next as IteratorResult<unknown, undefined>;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<any, void, undefined> {
    try {
      for (let next = await this.next(); next.done !== true; next = await this.next()) {
        yield next.value as unknown;
      }
    } finally {
      await referenceOf(this).callAsync('return');
    }
  }
}

class PoolProxy extends BaseProxy {
  /** An abort ends the worker that runs it. */
  apply(
    fn: Known,
    args: unknown[] = [],
    options: RemoteTaskOptions & Cancellable = {},
  ): Promise<any> {
    return this.#run('apply', fn, args, readTask(options));
  }

  applySync(fn: Known, args: unknown[] = [], options: RemoteTaskOptions = {}): any {
    return this.callMethod('apply', this.#nameOf(fn), args, readTaskSync(options));
  }

  applyAsync(fn: Known, args: unknown[] = [], options: RemoteTaskOptions = {}): AsyncResultProxy {
    return this.#begin('applyAsync', this.#nameOf(fn), args, readTaskSync(options));
  }

  map(
    fn: Known,
    iterable: Iterable<unknown>,
    options: number | 'auto' | (RemoteMapOptions & Cancellable) = {},
  ): Promise<any[]> {
    return this.#run('map', fn, listOf(iterable), readMap(options));
  }

  mapSync(
    fn: Known,
    iterable: Iterable<unknown>,
    options: number | 'auto' | RemoteMapOptions = {},
  ): any[] {
    return this.callMethod(
      'map',
      this.#nameOf(fn),
      listOf(iterable),
      readMapSync(options),
    ) as unknown[];
  }

  mapAsync(
    fn: Known,
    iterable: Iterable<unknown>,
    options: number | 'auto' | RemoteMapOptions = {},
  ): AsyncResultProxy {
    return this.#begin('mapAsync', this.#nameOf(fn), listOf(iterable), readMapSync(options));
  }

  starmap(
    fn: Known,
    iterable: Iterable<unknown[]>,
    options: number | 'auto' | (RemoteMapOptions & Cancellable) = {},
  ): Promise<any[]> {
    return this.#run('starmap', fn, listOf(iterable), readMap(options));
  }

  starmapSync(
    fn: Known,
    iterable: Iterable<unknown[]>,
    options: number | 'auto' | RemoteMapOptions = {},
  ): any[] {
    return this.callMethod(
      'starmap',
      this.#nameOf(fn),
      listOf(iterable),
      readMapSync(options),
    ) as unknown[];
  }

  starmapAsync(
    fn: Known,
    iterable: Iterable<unknown[]>,
    options: number | 'auto' | RemoteMapOptions = {},
  ): AsyncResultProxy {
    return this.#begin('starmapAsync', this.#nameOf(fn), listOf(iterable), readMapSync(options));
  }

  /** The whole input is sent at once. */
  imap(
    fn: Known,
    iterable: Iterable<unknown>,
    options: number | RemoteImapOptions = {},
  ): PoolResultsProxy {
    return this.#begin('imap', this.#nameOf(fn), listOf(iterable), readImap(options));
  }

  imapUnordered(
    fn: Known,
    iterable: Iterable<unknown>,
    options: number | RemoteImapOptions = {},
  ): PoolResultsProxy {
    return this.#begin('imapUnordered', this.#nameOf(fn), listOf(iterable), readImap(options));
  }

  close(): void {
    this.callMethod('close');
  }

  terminate(): void {
    this.callMethod('terminate');
  }

  async join(options: number | WaitOptions = {}): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    return (await referenceOf(this).callAsync('join', [timeout], signal)) as boolean;
  }

  joinSync(options: number | SyncWaitOptions = {}): boolean {
    return this.callMethod('join', syncTimeout(options)) as boolean;
  }

  /** For `using`: {@link terminate}, then {@link joinSync}. */
  [Symbol.dispose](): void {
    this.terminate();
    this.joinSync();
  }

  /** For `await using`: {@link terminate}, then {@link join}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.callMethodAsync('terminate');
    await this.join();
  }

  #nameOf(fn: Known): string {
    return typeof fn === 'string' ? fn : nameOf(fn, referenceOf(this).target.managerClass);
  }

  #run(method: string, fn: Known, input: unknown[], options: Cancellable): Promise<any> {
    assertRegistered(fn);
    return this.#runKnown(method, fn, input, options);
  }

  async #runKnown(method: string, fn: Known, input: unknown[], options: Cancellable): Promise<any> {
    const { signal, ...rest } = options;
    return referenceOf(this).callAsync(method, [this.#nameOf(fn), input, rest], signal);
  }

  #begin(method: string, ...args: unknown[]): any {
    const result = this.callMethod(method, ...args) as object;
    pools.set(result, this);
    return result;
  }
}

export const poolMakers: Makers = {
  Pool: (reference) => new PoolProxy(reference),
  AsyncResult: (reference) => new AsyncResultProxy(reference),
  PoolResults: (reference) => new PoolResultsProxy(reference),
};

export type { AsyncResultProxy, PoolProxy, PoolResultsProxy };
