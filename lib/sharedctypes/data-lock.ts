// The locks that shared data comes with.
import { ProcessError } from '../common/errors.js';
import { optionsReader } from '../common/options.js';
import { assertType } from '../common/validate.js';
import type { SyncWaitOptions, WaitOptions } from '../common/waiting.js';
import { RLock } from '../synchronize/index.js';

/** The members that an object must have to be the lock of a `Value` or `SharedArray`. */
export interface DataLock {
  acquire(options?: number | WaitOptions): Promise<boolean>;
  acquireSync(options?: number | SyncWaitOptions): boolean;
  release(): void;
  with<Result>(fn: () => Result): Promise<Awaited<Result>>;
  withSync<Result>(fn: () => Result): Result;
}

/** The `lock` option of shared data. */
export interface LockOptions {
  /** true (the default): a new RLock; false: none; or the lock to use. */
  lock?: boolean | DataLock | undefined;
}

const METHODS = ['acquire', 'acquireSync', 'release', 'with', 'withSync'] as const;

function lockOption(value: unknown, name: string): boolean | DataLock {
  const lock = Object(value) as Partial<DataLock>;
  const isLock = METHODS.every((method) => typeof lock[method] === 'function');
  assertType(typeof value === 'boolean' || isLock, name, 'a boolean or a lock', value);
  return value as boolean | DataLock;
}

const readOptions = optionsReader<LockOptions>('shared data', { lock: lockOption });

/** The lock that `options` ask for. */
export function lockFrom(options: LockOptions): DataLock | undefined {
  const { lock = true } = readOptions(options);
  if (typeof lock === 'boolean') return lock ? new RLock() : undefined;
  return lock;
}

/** The error for the lock of data that has none. */
export function assertLock(lock: DataLock | undefined): DataLock {
  if (lock !== undefined) return lock;
  throw new ProcessError('ERR_TRUEFORK_NO_LOCK', 'this was made without a lock');
}
