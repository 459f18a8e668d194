// POSIX named semaphores: what truefork shares with programs that are not its own.
import { constants as files } from 'node:fs';
import { constants } from 'node:os';
import { check } from '../common/errors.js';
import {
  assertCString,
  assertFlags,
  assertInt,
  assertInteger,
  assertType,
} from '../common/validate.js';
import { nativePosix } from '../native/posix.js';

const MAX_UNSIGNED = 2 ** 32 - 1;
const { EAGAIN, ETIMEDOUT } = constants.errno;
const { O_CREAT, O_EXCL } = files;

/** Whether a permit was taken; `none` is the errno that says that there was none. */
function taken(returned: number, none: number, syscall: string): boolean {
  return returned !== -none && check(returned, syscall) === 0;
}

/**
 * sem_open(3) — opens a semaphore by name.
 *
 * @param name a slash and up to 250 bytes without one: `'/name'`
 * @param flags 0, or `O_CREAT` and `O_EXCL` of `fs.constants`. Default: 0, it must exist
 * @param mode the permissions of one that it makes, less the umask; default: `0o600`
 * @param value the permits of one that it makes; default: 0
 * @returns a number that stands for the semaphore in this thread, and in children forked from it,
 *   until {@link semClose}; not a descriptor
 * @throws RangeError `ERR_OUT_OF_RANGE`: other flags. With `O_TRUNC` all who have the semaphore
 *   would crash
 * @throws SystemError `EEXIST`, `ENOENT`, `EACCES`, `EMFILE`; `EINVAL`, `ENAMETOOLONG`: no such
 *   name
 */
export function semOpen(name: string, flags = 0, mode = 0o600, value = 0): number {
  assertCString(name, 'name');
  assertFlags(flags, 'flags', O_CREAT | O_EXCL, 'O_CREAT and O_EXCL');
  assertInt(mode, 'mode', 0);
  assertInteger(value, 'value', 0, MAX_UNSIGNED);
  return check(nativePosix.semOpen(name, flags, mode, value), 'sem_open');
}

/** sem_close(3). The semaphore lives on until it is unlinked. @throws SystemError `EINVAL` */
export function semClose(sem: number): void {
  assertInt(sem, 'sem', 0);
  check(nativePosix.semClose(sem), 'sem_close');
}

/**
 * sem_unlink(3) — removes the name. Processes that have the semaphore open keep it.
 *
 * @throws SystemError `ENOENT`, `EACCES`
 */
export function semUnlink(name: string): void {
  assertCString(name, 'name');
  check(nativePosix.semUnlink(name), 'sem_unlink');
}

/** sem_post(3) — gives a permit back. @throws SystemError `EOVERFLOW`, `EINVAL` */
export function semPost(sem: number): void {
  assertInt(sem, 'sem', 0);
  check(nativePosix.semPost(sem), 'sem_post');
}

/**
 * sem_trywait(3) — takes a permit if there is one.
 *
 * @returns whether it has one
 * @throws SystemError `EINVAL`
 */
export function semTryWait(sem: number): boolean {
  assertInt(sem, 'sem', 0);
  return taken(nativePosix.semTryWait(sem), EAGAIN, 'sem_trywait');
}

/**
 * sem_wait(3), sem_timedwait(3) — takes a permit, blocking the thread until there is one. Goes
 * on after a signal. A timeout is measured by the clock on the wall, as POSIX has it.
 *
 * @param timeout in milliseconds; default: no limit
 * @returns whether it has one: false after the timeout
 * @throws SystemError `EINVAL`
 */
export function semWait(sem: number, timeout: number = Infinity): boolean {
  assertInt(sem, 'sem', 0);
  const isNumber = typeof timeout === 'number' && !Number.isNaN(timeout);
  assertType(isNumber, 'timeout', 'a number of milliseconds', timeout);
  return taken(nativePosix.semWait(sem, Math.max(0, timeout)), ETIMEDOUT, 'sem_wait');
}

/**
 * sem_getvalue(3) — how many permits there are, at this moment.
 *
 * @throws SystemError `EINVAL`; `ENOSYS` on macOS
 */
export function semGetValue(sem: number): number {
  assertInt(sem, 'sem', 0);
  return check(nativePosix.semGetValue(sem), 'sem_getvalue');
}
