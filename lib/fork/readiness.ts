// The report of a child that gets ready to its parent, which waits for it: the end of a pipe,
// closed, or before that the reason why it could not.
import { ProcessError, systemError } from '../common/errors.js';
import { nativeIo } from '../native/io.js';
import { nativePosix } from '../native/posix.js';
import { read } from '../posix/descriptors.js';
import { READABLE, waitUntilReady } from '../posix/poller.js';
import { kill, wait4 } from '../posix/wait.js';

/** How long a child may take from the fork until it is ready, in milliseconds. */
const READY_TIMEOUT_MS = 30_000;
/** The exit code of a child that could not get ready. Nobody sees it. */
const EXIT_CANNOT_START = 127;

/** "errno text": what a child says that could not get ready. native/fork/fork.cc says it too. */
export function reportFailure(report: number, error: unknown): never {
  const { errno, syscall } = error as NodeJS.ErrnoException;
  const text = syscall === undefined ? String(error) : syscall;
  const message = Buffer.from(`${errno ?? 0} ${text}`);
  nativeIo.write(report, message, 0, message.length);
  return nativePosix._exit(EXIT_CANNOT_START);
}

function readFailure(report: number): string {
  const buffer = Buffer.alloc(4096);
  return buffer.toString('utf8', 0, read(report, buffer));
}

/** Waits until the child is ready, which it says by closing its end. */
export function awaitReady(pid: number, report: number): void {
  if (!waitUntilReady(report, READABLE, READY_TIMEOUT_MS)) {
    kill(pid, 'SIGKILL');
    wait4(pid);
    throw new ProcessError(
      'ERR_TRUEFORK_CHILD_SETUP',
      `the child was not ready ${READY_TIMEOUT_MS / 1000} seconds after the fork, and was killed`,
    );
  }
  const failure = readFailure(report);
  if (failure === '') return;
  wait4(pid);
  const [, errno, text] = /^(-?\d+) (.*)$/s.exec(failure) ?? [];
  if (Number(errno) !== 0) throw systemError(-Math.abs(Number(errno)), text!);
  throw new ProcessError('ERR_TRUEFORK_CHILD_SETUP', `the child could not get ready: ${text}`);
}
