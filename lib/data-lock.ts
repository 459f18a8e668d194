// The locks that shared data comes with.
import { ProcessError } from './errors.js';
import { assertType } from './validate.js';

/** What a lock has to offer to be the lock of a `Value` or `SharedArray`. */
export interface DataLock {
  acquire(options?: unknown): Promise<boolean>;
  acquireSync(options?: unknown): boolean;
  release(): void;
  with<Result>(fn: () => Result): Promise<Awaited<Result>>;
  withSync<Result>(fn: () => Result): Result;
}

/** What `lock` is if it is not given: true as soon as there is something to make. */
const DEFAULT = false;

/** A new lock, in shared memory. It must be there before the fork that shares it. */
function makeLock(): DataLock {
  throw new ProcessError('ERR_TRUEFORK_UNSUPPORTED', 'locks are not there yet');
}

/** The `lock` option of shared data. */
export interface LockOptions {
  /** true: a new RLock; false: none; or the lock to use. */
  lock?: boolean | DataLock | undefined;
}

/** The lock that `options` ask for. */
export function lockFrom(options: LockOptions): DataLock | undefined {
  assertType(typeof options === 'object' && options !== null, 'options', 'an object', options);
  const { lock = DEFAULT } = options;
  if (typeof lock === 'boolean') return lock ? makeLock() : undefined;
  const isLock = typeof lock?.acquire === 'function' && typeof lock.release === 'function';
  assertType(isLock, 'lock', 'a boolean or a lock', lock);
  return lock;
}

/** What data without a lock says to those who want it. */
export function assertLock(lock: DataLock | undefined): DataLock {
  if (lock !== undefined) return lock;
  throw new ProcessError('ERR_TRUEFORK_NO_LOCK', 'this was made without a lock');
}
