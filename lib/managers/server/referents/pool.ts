// Pools of a server. Its workers are forks of the server, which know the functions that it knows.
import { type AsyncResult, Pool, type ResultIterator } from '../../../pool/pool.js';
import { servedFunction } from '../../functions.js';
import type { ClientCall } from '../session.js';
import { behaviourOf, type Operations, setBehaviour } from '../types.js';

/** Options of a task that a client can send: no functions. */
export interface RemoteTaskOptions {
  /** As of `Pool.apply`. In milliseconds. */
  timeout?: number | undefined;
  retries?: number | undefined;
}

export interface RemoteImapOptions extends RemoteTaskOptions {
  chunksize?: number | undefined;
}

export interface RemoteMapOptions extends RemoteTaskOptions {
  chunksize?: number | 'auto' | undefined;
  failFast?: boolean | undefined;
  settle?: boolean | undefined;
}

/** Anything else is not passed on. */
function chosen(options: RemoteMapOptions = {}, call?: ClientCall): RemoteMapOptions {
  const { timeout, retries, chunksize, failFast, settle } = options;
  const signal = call?.signal;
  return { timeout, retries, chunksize, failFast, settle, signal } as RemoteMapOptions;
}

type Result = Pick<AsyncResult<unknown>, 'get' | 'wait' | 'ready' | 'successful'>;

/** An AsyncResult, which as it is would be awaited. */
class ManagedResult {
  readonly result: Result;

  constructor(result: Result) {
    this.result = result;
  }
}

/** The results of an imap. */
class ManagedResults {
  readonly iterator: ResultIterator<unknown>;

  constructor(iterator: ResultIterator<unknown>) {
    this.iterator = iterator;
  }
}

const operations: Operations<Pool> = {
  apply: (pool, [name, args, options], call) =>
    pool.apply(servedFunction(name), args, chosen(options, call)),
  map: (pool, [name, items, options], call) =>
    pool.map(servedFunction(name), items, chosen(options, call)),
  starmap: (pool, [name, items, options], call) =>
    pool.starmap(servedFunction(name), items, chosen(options, call)),
  applyAsync: (pool, [name, args, options]) =>
    new ManagedResult(pool.applyAsync(servedFunction(name), args, chosen(options))),
  mapAsync: (pool, [name, items, options]) =>
    new ManagedResult(pool.mapAsync(servedFunction(name), items, chosen(options))),
  starmapAsync: (pool, [name, items, options]) =>
    new ManagedResult(pool.starmapAsync(servedFunction(name), items, chosen(options))),
  imap: (pool, [name, items, options]) =>
    new ManagedResults(pool.imap(servedFunction(name), items, chosen(options) as object)),
  imapUnordered: (pool, [name, items, options]) =>
    new ManagedResults(pool.imapUnordered(servedFunction(name), items, chosen(options) as object)),
  close: (pool) => pool.close(),
  terminate: (pool) => pool.terminate(),
  join: (pool, [timeout = Infinity], { signal }) => pool.join({ timeout, signal }),
};

setBehaviour(Pool, {
  ...behaviourOf('Pool', operations),
  methodToTypeid: new Map([
    ['applyAsync', 'AsyncResult'],
    ['mapAsync', 'AsyncResult'],
    ['starmapAsync', 'AsyncResult'],
    ['imap', 'PoolResults'],
    ['imapUnordered', 'PoolResults'],
  ]),
  // Nobody can ask it for anything any more.
  end: (pool) => (pool as Pool).terminate(),
});

setBehaviour(
  ManagedResult,
  behaviourOf<ManagedResult>('AsyncResult', {
    get: ({ result }, [timeout = Infinity], { signal }) => result.get({ timeout, signal }),
    wait: ({ result }, [timeout = Infinity], { signal }) => result.wait({ timeout, signal }),
    ready: ({ result }) => result.ready(),
    successful: ({ result }) => result.successful(),
  }),
);

setBehaviour(ManagedResults, {
  ...behaviourOf<ManagedResults>('PoolResults', {
    next: ({ iterator }, [timeout = Infinity], { signal }) => iterator.next({ timeout, signal }),
    return: ({ iterator }) => iterator.return(),
  }),
  end: (results) => void (results as ManagedResults).iterator.return(),
});

export { Pool };
