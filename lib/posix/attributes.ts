// The ids of a process, and its last act.
import { assertInt } from '../common/validate.js';
import { nativePosix } from '../native/posix.js';

/** getppid(2) — the pid of the parent; 1, or a subreaper's, when that has died. */
export function getppid(): number {
  return nativePosix.getppid();
}

/**
 * _exit(2) — ends the process at once: no 'exit' listeners, nothing flushed.
 *
 * @param code what the parent sees: the low 8 bits of it
 */
export function _exit(code = 0): never {
  assertInt(code, 'code');
  return nativePosix._exit(code);
}
