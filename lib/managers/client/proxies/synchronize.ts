// Locks, semaphores, conditions, events, barriers and queues: as those in shared memory, where
// `name()` leaves the event loop free and `nameSync()` blocks the thread.
import { checkReceivers } from '../../../common/receivers.js';
import { assertFunction, assertInteger } from '../../../common/validate.js';
import {
  Deadline,
  syncTimeout,
  type SyncWaitOptions,
  type WaitOptions,
  waitOptions,
} from '../../../common/waiting.js';
import { lockerId } from '../../../futex/robust-list.js';
import { timedOut, withLockSync } from '../../../synchronize/with.js';
import { Outcome } from '../../protocol/protocol.js';
import { type Makers, referenceOf } from '../../protocol/reference.js';
import { inNewTask } from '../../protocol/tasks.js';
import { BaseProxy } from './base.js';

function call(proxy: object, method: string, ...args: unknown[]): unknown {
  return referenceOf(proxy).call(method, ...args);
}

/** Waits in the server. */
function waitThere(
  proxy: object,
  method: string,
  options: number | WaitOptions,
  ...args: unknown[]
): Promise<unknown> {
  const { timeout, signal } = waitOptions(options);
  return referenceOf(proxy).callAsync(method, [...args, timeout], signal);
}

function waitThereSync(
  proxy: object,
  method: string,
  options: number | SyncWaitOptions,
  ...args: unknown[]
): unknown {
  return call(proxy, method, ...args, syncTimeout(options));
}

/** Kinds that tasks have, and not only processes. */
const OF_TASKS = new Set(['RLock', 'Condition']);

/** A proxy for an object that can be acquired and released. As Python's AcquirerProxy. */
class AcquirerProxy extends BaseProxy {
  #recovered = false;

  async acquire(options: number | WaitOptions = {}): Promise<boolean> {
    return this.#note(await waitThere(this, 'acquire', options));
  }

  acquireSync(options: number | SyncWaitOptions = {}): boolean {
    return this.#note(waitThereSync(this, 'acquire', options));
  }

  release(): void {
    call(this, 'release');
  }

  /**
   * Within `fn`, and all that it awaits, an RLock is this call's, and not that of other tasks of
   * the process.
   */
  with<T>(fn: () => T, options: number | WaitOptions = {}): Promise<Awaited<T>> {
    const isForTask = OF_TASKS.has(referenceOf(this).kind);
    return isForTask ? inNewTask(() => this.#with(fn, options, true)) : this.#with(fn, options);
  }

  withSync<T>(fn: () => T, options?: number | SyncWaitOptions): T {
    return withLockSync(this, fn, options);
  }

  get recovered(): boolean {
    return this.#recovered;
  }

  [Symbol.dispose](): void {
    this.release();
  }

  async #with<T>(fn: () => T, options: number | WaitOptions, forTask = false): Promise<Awaited<T>> {
    assertFunction(fn, 'fn');
    const { timeout, signal } = waitOptions(options);
    const reference = referenceOf(this);
    if (!this.#note(await reference.callAsync('acquire', [timeout, forTask], signal))) {
      throw timedOut();
    }
    const holder = lockerId;
    try {
      return await fn();
    } finally {
      // The child leaves the scope as well, and does not own what was acquired before the fork.
      if (holder === lockerId) await reference.callAsync('release');
    }
  }

  #note(outcome: unknown): boolean {
    this.#recovered = outcome === Outcome.recovered;
    return outcome !== Outcome.timedOut;
  }

  static {
    checkReceivers(this, (object) => #recovered in object);
  }
}

class LockProxy extends AcquirerProxy {
  locked(): boolean {
    return call(this, 'locked') as boolean;
  }
}

class SemaphoreProxy extends AcquirerProxy {
  getValue(): number {
    return call(this, 'getValue') as number;
  }
}

class ConditionProxy extends LockProxy {
  async wait(options: number | WaitOptions = {}): Promise<boolean> {
    return (await waitThere(this, 'wait', options)) as boolean;
  }

  waitSync(options: number | SyncWaitOptions = {}): boolean {
    return waitThereSync(this, 'wait', options) as boolean;
  }

  /** The predicate is called here, with the lock held. */
  async waitFor<T>(predicate: () => T, options: number | WaitOptions = {}): Promise<T> {
    assertFunction(predicate, 'predicate');
    const { timeout, signal } = waitOptions(options);
    const deadline = new Deadline(timeout);
    let result = predicate();
    while (!result && !deadline.isOver) {
      await this.wait({ timeout: deadline.left, signal });
      result = predicate();
    }
    return result;
  }

  waitForSync<T>(predicate: () => T, options: number | SyncWaitOptions = {}): T {
    assertFunction(predicate, 'predicate');
    const deadline = new Deadline(syncTimeout(options));
    let result = predicate();
    while (!result && !deadline.isOver) {
      this.waitSync(deadline.left);
      result = predicate();
    }
    return result;
  }

  notify(n = 1): void {
    assertInteger(n, 'n', 0);
    call(this, 'notify', n);
  }

  notifyAll(): void {
    call(this, 'notifyAll');
  }
}

class EventProxy extends BaseProxy {
  isSet(): boolean {
    return call(this, 'isSet') as boolean;
  }

  set(): void {
    call(this, 'set');
  }

  clear(): void {
    call(this, 'clear');
  }

  async wait(options: number | WaitOptions = {}): Promise<boolean> {
    return (await waitThere(this, 'wait', options)) as boolean;
  }

  waitSync(options: number | SyncWaitOptions = {}): boolean {
    return waitThereSync(this, 'wait', options) as boolean;
  }
}

class BarrierProxy extends BaseProxy {
  async wait(options?: number | WaitOptions): Promise<number> {
    const reference = referenceOf(this);
    if (options === undefined) return (await reference.callAsync('wait')) as number;
    return (await waitThere(this, 'wait', options)) as number;
  }

  waitSync(options?: number | SyncWaitOptions): number {
    if (options === undefined) return call(this, 'wait') as number;
    return waitThereSync(this, 'wait', options) as number;
  }

  reset(): void {
    call(this, 'reset');
  }

  abort(): void {
    call(this, 'abort');
  }

  get parties(): number {
    return call(this, 'parties') as number;
  }

  get nWaiting(): number {
    return call(this, 'nWaiting') as number;
  }

  get broken(): boolean {
    return call(this, 'broken') as boolean;
  }
}

class QueueProxy extends BaseProxy {
  async put(item: unknown, options: number | WaitOptions = {}): Promise<void> {
    await waitThere(this, 'put', options, item);
  }

  putSync(item: unknown, options: number | SyncWaitOptions = {}): void {
    waitThereSync(this, 'put', options, item);
  }

  putNowait(item: unknown): void {
    call(this, 'putNowait', item);
  }

  get(options: number | WaitOptions = {}): Promise<unknown> {
    return waitThere(this, 'get', options);
  }

  getSync(options: number | SyncWaitOptions = {}): unknown {
    return waitThereSync(this, 'get', options);
  }

  getNowait(): unknown {
    return call(this, 'getNowait');
  }

  qsize(): number {
    return call(this, 'qsize') as number;
  }

  empty(): boolean {
    return call(this, 'empty') as boolean;
  }

  full(): boolean {
    return call(this, 'full') as boolean;
  }
}

class JoinableQueueProxy extends QueueProxy {
  taskDone(): void {
    call(this, 'taskDone');
  }

  async join(options: number | WaitOptions = {}): Promise<boolean> {
    return (await waitThere(this, 'join', options)) as boolean;
  }

  joinSync(options: number | SyncWaitOptions = {}): boolean {
    return waitThereSync(this, 'join', options) as boolean;
  }
}

export const synchronizeMakers: Makers = {
  Lock: (reference) => new LockProxy(reference),
  RLock: (reference) => new LockProxy(reference),
  Semaphore: (reference) => new SemaphoreProxy(reference),
  Condition: (reference) => new ConditionProxy(reference),
  Event: (reference) => new EventProxy(reference),
  Barrier: (reference) => new BarrierProxy(reference),
  Queue: (reference) => new QueueProxy(reference),
  JoinableQueue: (reference) => new JoinableQueueProxy(reference),
};

export type {
  BarrierProxy,
  ConditionProxy,
  EventProxy,
  JoinableQueueProxy,
  LockProxy,
  QueueProxy,
  SemaphoreProxy,
};
