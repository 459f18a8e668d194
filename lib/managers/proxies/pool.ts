// Pools: `name()` leaves the event loop free and `nameSync()` blocks the thread.
import { type SyncWaitOptions, type WaitOptions, waitOptions } from '../../waiting.js';
import { type AnyFunction, nameOf } from '../functions.js';
import { type Makers, referenceOf } from '../reference.js';
import type { RemoteMapOptions, RemoteTaskOptions } from '../referents/pool.js';
import { BaseProxy } from './base.js';

/** A function that was registered, or its name. */
type Known = AnyFunction | string;
type Cancellable = { signal?: AbortSignal | undefined };

/** What must live as long as something else: the pool of a result. */
const pools = new WeakMap<object, object>();

function mapOptions<T extends RemoteMapOptions>(options: number | 'auto' | T): T {
  return typeof options === 'object' ? options : ({ chunksize: options } as T);
}

/** What will become of a task in the server. As `AsyncResult`. */
class AsyncResultProxy extends BaseProxy {
  get(options: number | WaitOptions = {}): Promise<any> {
    const { timeout, signal } = waitOptions(options);
    return referenceOf(this).callAsync('get', [timeout], signal);
  }

  getSync(options: number | SyncWaitOptions = {}): any {
    return referenceOf(this).call('get', waitOptions(options).timeout);
  }

  async wait(options: number | WaitOptions = {}): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    return (await referenceOf(this).callAsync('wait', [timeout], signal)) as boolean;
  }

  waitSync(options: number | SyncWaitOptions = {}): boolean {
    return referenceOf(this).call('wait', waitOptions(options).timeout) as boolean;
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
    const next = referenceOf(this).call('next', waitOptions(options).timeout);
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
    { signal, ...options }: RemoteTaskOptions & Cancellable = {},
  ): Promise<any> {
    return this.#run('apply', [nameOf(fn), args, options], signal);
  }

  applySync(fn: Known, args: unknown[] = [], options: RemoteTaskOptions = {}): any {
    return this.callMethod('apply', nameOf(fn), args, options);
  }

  applyAsync(fn: Known, args: unknown[] = [], options: RemoteTaskOptions = {}): AsyncResultProxy {
    return this.#begin('applyAsync', nameOf(fn), args, options);
  }

  map(
    fn: Known,
    iterable: Iterable<unknown>,
    options: number | 'auto' | (RemoteMapOptions & Cancellable) = {},
  ): Promise<any[]> {
    const { signal, ...rest } = mapOptions<RemoteMapOptions & Cancellable>(options);
    return this.#run('map', [nameOf(fn), [...iterable], rest], signal);
  }

  mapSync(
    fn: Known,
    iterable: Iterable<unknown>,
    options: number | 'auto' | RemoteMapOptions = {},
  ): any[] {
    return this.callMethod('map', nameOf(fn), [...iterable], mapOptions(options)) as unknown[];
  }

  mapAsync(
    fn: Known,
    iterable: Iterable<unknown>,
    options: number | 'auto' | RemoteMapOptions = {},
  ): AsyncResultProxy {
    return this.#begin('mapAsync', nameOf(fn), [...iterable], mapOptions(options));
  }

  starmap(
    fn: Known,
    iterable: Iterable<unknown[]>,
    options: number | 'auto' | (RemoteMapOptions & Cancellable) = {},
  ): Promise<any[]> {
    const { signal, ...rest } = mapOptions<RemoteMapOptions & Cancellable>(options);
    return this.#run('starmap', [nameOf(fn), [...iterable], rest], signal);
  }

  starmapSync(
    fn: Known,
    iterable: Iterable<unknown[]>,
    options: number | 'auto' | RemoteMapOptions = {},
  ): any[] {
    return this.callMethod('starmap', nameOf(fn), [...iterable], mapOptions(options)) as unknown[];
  }

  starmapAsync(
    fn: Known,
    iterable: Iterable<unknown[]>,
    options: number | 'auto' | RemoteMapOptions = {},
  ): AsyncResultProxy {
    return this.#begin('starmapAsync', nameOf(fn), [...iterable], mapOptions(options));
  }

  /** The whole input is sent at once. */
  imap(
    fn: Known,
    iterable: Iterable<unknown>,
    options: number | RemoteMapOptions = {},
  ): PoolResultsProxy {
    return this.#begin('imap', nameOf(fn), [...iterable], mapOptions(options));
  }

  imapUnordered(
    fn: Known,
    iterable: Iterable<unknown>,
    options: number | RemoteMapOptions = {},
  ): PoolResultsProxy {
    return this.#begin('imapUnordered', nameOf(fn), [...iterable], mapOptions(options));
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
    return this.callMethod('join', waitOptions(options).timeout) as boolean;
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

  async #run(method: string, args: unknown[], signal: AbortSignal | undefined): Promise<any> {
    return referenceOf(this).callAsync(method, args, signal);
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
