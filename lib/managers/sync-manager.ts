// multiprocessing.Manager, and what it can make.
import {
  anyOption,
  arrayOption,
  assertUsed,
  integerOption,
  optionsReader,
  refuseSurplus,
  timeoutOption,
} from '../common/options.js';
import { checkReceivers, isMadeBy } from '../common/receivers.js';
import { assertIterable } from '../common/validate.js';
import type { SyncWaitOptions } from '../common/waiting.js';
import type { SharedArray, ArrayInit } from '../sharedctypes/array.js';
import type { TypeCode, ValueOf } from '../sharedctypes/type-codes.js';
import type { RawValue } from '../sharedctypes/value.js';
import { BaseManager } from './base-manager.js';
import type { PoolProxy } from './client/proxies/pool.js';
import type {
  BarrierProxy,
  ConditionProxy,
  EventProxy,
  JoinableQueueProxy,
  LockProxy,
  QueueProxy,
  SemaphoreProxy,
} from './client/proxies/synchronize.js';
import { type AnyFunction, nameOf, servedFunction } from './functions.js';
import {
  RawValue as CellInServer,
  SharedArray as ArrayInServer,
} from './server/referents/cells.js';
import {
  Dict,
  List,
  ManagedMap,
  ManagedSet,
  Namespace,
  RemoteIterator,
} from './server/referents/containers.js';
import { ManagedLock, ManagedRLock } from './server/referents/locks.js';
import { Pool as PoolInServer } from './server/referents/pool.js';
import { ManagedJoinableQueue, ManagedQueue } from './server/referents/queues.js';
import {
  ManagedBarrier,
  ManagedCondition,
  ManagedEvent,
  ManagedSemaphore,
} from './server/referents/signals.js';

/** Options of a pool in a server. */
export interface RemotePoolOptions {
  /** A function that was registered, or its name: called in each worker before its first task. */
  initializer?: AnyFunction | string | undefined;
  initArgs?: unknown[] | undefined;
  /** After so many tasks (of a map: chunks) a worker is replaced. Default: never. */
  maxTasksPerChild?: number | undefined;
}

const readPoolOptions = optionsReader<RemotePoolOptions>(
  "a manager's Pool",
  { initializer: anyOption, initArgs: arrayOption, maxTasksPerChild: integerOption(1) },
  { hints: { processes: 'it is the first argument' } },
);

const readBarrierOptions = optionsReader<SyncWaitOptions>(
  "a manager's Barrier",
  { timeout: timeoutOption },
  { expected: 'an object, as in { timeout }', hints: { action: 'functions are not sent' } },
);

/**
 * A manager for the types that programs need most: see {@link Manager}. As Python's `SyncManager`.
 *
 * Each access to a proxy is one call of the server, which blocks the thread until it is done; use
 * {@link asyncProxy} to leave the event loop free. Values are stored as copies: to change the
 * inside of one, store it again, or store a proxy there.
 */
export class SyncManager extends BaseManager {
  /**
   * An object whose properties all processes share: `d.count -= 1`, `'k' in d`, `delete d.k`,
   * `Object.keys(d)`. It has no methods, so that every name is free.
   */
  dict<T extends object = Record<string, any>>(init?: T | Iterable<[string, T[keyof T]]>): T {
    return this.create('dict', ...given(init)) as T;
  }

  /**
   * A list, which reads like an array. `for … of` goes over the elements as they are at its
   * beginning.
   */
  list<T = any>(init?: Iterable<T>): T[] {
    return this.create('list', ...elementsOf(init)) as T[];
  }

  /** A Map, of keys that are not objects. */
  map<Key = any, T = any>(init?: Iterable<readonly [Key, T]>): Map<Key, T> {
    return this.create('map', ...elementsOf(init)) as Map<Key, T>;
  }

  /** A Set, of values that are not objects. */
  set<T = any>(init?: Iterable<T>): Set<T> {
    return this.create('set', ...elementsOf(init)) as Set<T>;
  }

  /** As {@link dict}; names that begin with `_` stay in the process. */
  Namespace<T extends object = Record<string, any>>(init?: T): T {
    return this.create('Namespace', ...given(init)) as T;
  }

  /** A value with a type: see `Value`. */
  Value<Code extends TypeCode>(
    typecode: Code,
    initial?: ValueOf<Code>,
  ): Omit<RawValue<Code>, 'close'> & { get(): ValueOf<Code>; set(value: ValueOf<Code>): void } {
    return this.create('Value', typecode, ...given(initial)) as never;
  }

  /** An array of a fixed length, with a type: see `SharedArray`. Every element is checked. */
  Array<Code extends TypeCode>(
    typecode: Code,
    init: ArrayInit<Code>,
  ): Omit<SharedArray<Code>, 'getLock' | 'with' | 'withSync' | 'close'> {
    const elements = typeof init === 'number' ? [init] : elementsOf(init);
    return this.create('Array', typecode, ...elements) as never;
  }

  /**
   * As `Lock`. When a process dies that has it, the next one gets it, and `recovered` is true
   * there.
   *
   * Locks are slower here than those in shared memory: use them where there is no common parent.
   */
  Lock(): LockProxy {
    return this.create('Lock') as LockProxy;
  }

  /** As `RLock`: its owner is a process, or, within `with()`, that call and what it awaits. */
  RLock(): LockProxy {
    return this.create('RLock') as LockProxy;
  }

  Semaphore(value = 1): SemaphoreProxy {
    return this.create('Semaphore', value) as SemaphoreProxy;
  }

  BoundedSemaphore(value = 1): SemaphoreProxy {
    return this.create('BoundedSemaphore', value) as SemaphoreProxy;
  }

  /**
   * As `Condition`. @param lock a Lock or an RLock of this manager; default: an RLock of its own
   */
  Condition(lock?: LockProxy): ConditionProxy {
    return this.create('Condition', ...given(lock)) as ConditionProxy;
  }

  Event(): EventProxy {
    return this.create('Event') as EventProxy;
  }

  /** As `Barrier`, without an action. */
  Barrier(parties: number, options: SyncWaitOptions = {}): BarrierProxy {
    const { timeout = Infinity } = readBarrierOptions(options);
    return this.create('Barrier', parties, Math.max(0, timeout)) as BarrierProxy;
  }

  /** A queue of any values, also of proxies. @param maxsize 0 or less, the default: no limit */
  Queue(maxsize = 0): QueueProxy {
    return this.create('Queue', maxsize) as QueueProxy;
  }

  /** As `JoinableQueue`. @param maxsize 0 or less, the default: no limit */
  JoinableQueue(maxsize = 0): JoinableQueueProxy {
    return this.create('JoinableQueue', maxsize) as JoinableQueueProxy;
  }

  /**
   * A pool of processes that the server forks. It runs the functions that were given to {@link
   * BaseManager.registerFunction} before the manager was started, for none is ever sent; for
   * closures use a `Pool` of your own, which takes proxies as arguments.
   *
   * It is terminated when nobody has it any more.
   *
   * @param processes default: `cpuCount()`
   *
   * @example
   * ```ts
   * SyncManager.registerFunction(square);
   * using manager = Manager();
   * const pool = manager.Pool(2);
   * await pool.map(square, [1, 2, 3]); // [1, 4, 9]
   * ```
   */
  Pool(processes?: number, options: RemotePoolOptions = {}): PoolProxy {
    const { initializer, initArgs = [], maxTasksPerChild } = readPoolOptions(options);
    const name = initializer === undefined ? undefined : nameOf(initializer, this.constructor);
    assertUsed('initArgs', initArgs, 'initializer', initializer);
    return this.create('Pool', processes, name, initArgs, maxTasksPerChild) as PoolProxy;
  }

  static {
    checkReceivers(this, (object) => isMadeBy(BaseManager, object));
  }
}

function given(init: unknown): unknown[] {
  return init === undefined ? [] : [init];
}

function elementsOf(init: unknown): unknown[] {
  if (init === undefined) return [];
  assertIterable(init, 'init');
  return [[...init]];
}

const TYPES: Record<string, (...args: never[]) => object> = {
  dict: (init?: object) => new Dict(init),
  list: (init?: Iterable<unknown>) => new List(init),
  map: (init?: Iterable<[unknown, unknown]>) => new ManagedMap(init),
  set: (init?: Iterable<unknown>) => new ManagedSet(init),
  Namespace: (init?: object) => new Namespace(init),
  Value: (typecode: 'i', initial?: number) => new CellInServer(typecode, initial),
  Array: (typecode: 'i', init: number) => new ArrayInServer(typecode, init),
  Lock: () => new ManagedLock(),
  RLock: () => new ManagedRLock(),
  Semaphore: (value: number) => new ManagedSemaphore(value),
  BoundedSemaphore: (value: number) => new ManagedSemaphore(value, true),
  Condition: (lock?: object) => new ManagedCondition(lock),
  Event: () => new ManagedEvent(),
  Barrier: (parties: number, timeout: number) => new ManagedBarrier(parties, timeout),
  Queue: (maxsize: number) => new ManagedQueue(maxsize),
  JoinableQueue: (maxsize: number) => new ManagedJoinableQueue(maxsize),
  Pool: (processes?: number, initializer?: string, initArgs?: never[], most?: number) =>
    new PoolInServer({
      processes,
      initializer: initializer === undefined ? undefined : servedFunction(initializer),
      initArgs,
      maxTasksPerChild: most,
    }),
  Iterator: (source: Iterable<unknown>) => new RemoteIterator(source),
};

// Only pools make them.
for (const typeid of ['AsyncResult', 'PoolResults']) {
  SyncManager.register(typeid, undefined, { createMethod: false });
}

for (const [typeid, make] of Object.entries(TYPES)) {
  const isBase = typeid === 'Iterator';
  (isBase ? BaseManager : SyncManager).register(typeid, make, { createMethod: false });
}

/**
 * Starts a manager: a process that has objects for others to use, through proxies that read like
 * the objects themselves. As Python's `multiprocessing.Manager()`.
 *
 * Proxies can be used in children that were forked, be sent to other processes, and be stored in
 * other objects of a manager. An object lives as long as anybody has a proxy for it.
 *
 * The server ends by `shutdown()`, or with the process that has started it.
 *
 * @example
 * ```ts
 * using manager = Manager();
 * const d = manager.dict({ count: 0 });
 * await inChild(() => (d.count += 1));
 * console.log(d.count); // 1
 * ```
 */
export function Manager(...surplus: never[]): SyncManager {
  refuseSurplus(surplus, 'for options use new SyncManager(options).start()');
  return new SyncManager().start();
}
