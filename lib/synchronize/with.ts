// The scoped use of everything that is acquired and released.
import { TimeoutError } from '../common/errors.js';
import { assertFunction } from '../common/validate.js';
import type { SyncWaitOptions, WaitOptions } from '../common/waiting.js';
import { lockerId } from '../futex/robust-list.js';

interface Acquirable {
  acquire(options?: number | WaitOptions): Promise<boolean>;
  acquireSync(options?: number | SyncWaitOptions): boolean;
  release(): void;
}

export function timedOut(): TimeoutError {
  return new TimeoutError('what was to be acquired was not free in time');
}

/** A lock that was acquired before a fork is not the child's, which leaves the scope as well. */
export function releaseBy(holder: number, lock: Pick<Acquirable, 'release'>): void {
  if (holder === lockerId) lock.release();
}

/** @throws TimeoutError after the timeout, and whatever `fn` throws */
export async function withLock<T>(
  lock: Acquirable,
  fn: () => T,
  options?: number | WaitOptions,
): Promise<Awaited<T>> {
  assertFunction(fn, 'fn');
  if (!(await lock.acquire(options))) throw timedOut();
  const holder = lockerId;
  try {
    return await fn();
  } finally {
    releaseBy(holder, lock);
  }
}

/** @throws TimeoutError after the timeout, and whatever `fn` throws */
export function withLockSync<T>(
  lock: Acquirable,
  fn: () => T,
  options?: number | SyncWaitOptions,
): T {
  assertFunction(fn, 'fn');
  if (!lock.acquireSync(options)) throw timedOut();
  const holder = lockerId;
  try {
    return fn();
  } finally {
    releaseBy(holder, lock);
  }
}
