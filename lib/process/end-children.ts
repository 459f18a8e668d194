// The children of a process that ends: daemons end with it, and the others are waited for.
import { inspect } from 'node:util';
import type { SystemError } from '../common/errors.js';
import { process } from '../common/originals.js';
import { precompileForChildren } from '../common/precompiled.js';
import { Deadline } from '../common/waiting.js';
import { say } from '../fork/say.js';

/** A child, as far as its end is concerned. */
export interface Child {
  terminate(): void;
  kill(): void;
  /** @returns null after the timeout (ms) */
  joinSync(timeout?: number): number | null | undefined;
  toString(): string;
}

/** How long daemons have to end after SIGTERM when this process exits, in milliseconds. */
const SIGTERM_GRACE_MS = 2000;
/** How long to wait for other children before saying so, in milliseconds. */
const SILENT_WAIT_MS = 2000;

/** The exception that this process dies of. Node prints it after 'exit'. */
let uncaught: unknown;

export function noteUncaught(error: unknown): void {
  const isHandled =
    process.listenerCount('uncaughtException') > 0 || process.hasUncaughtExceptionCaptureCallback();
  if (!isHandled) uncaught = error;
}

/**
 * Returns whether this process may end the child: it may not if it has given up its privileges
 * since.
 */
function mayEnd(child: Child): boolean {
  try {
    child.terminate();
    return true;
  } catch (error) {
    if ((error as Partial<SystemError>).code !== 'EPERM') throw error;
    say(
      `${process.title}: this process has no right any more to end ${String(child)} ` +
        `(${(error as Error).message}), which ends as soon as its event loop learns of the end of its parent\n`,
    );
    return false;
  }
}

/** Daemons get SIGTERM, and SIGKILL if they do not end. */
export function endDaemons(all: readonly Child[]): void {
  const daemons = all.filter(mayEnd);
  const deadline = new Deadline(SIGTERM_GRACE_MS);
  for (const child of daemons) {
    if (child.joinSync(deadline.left) === null) child.kill();
    child.joinSync(SIGTERM_GRACE_MS);
  }
}

/** The others are waited for, as in Python. */
export function awaitChildren(others: readonly Child[]): void {
  // From here on a signal would not be handled: let it do what it does by itself.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal);
  const silence = new Deadline(uncaught === undefined ? SILENT_WAIT_MS : 0);
  for (const child of others) {
    if (child.joinSync(silence.left) !== null) continue;
    const why = uncaught === undefined ? '' : ` with ${inspect(uncaught).split('\n', 1)[0]}`;
    say(`${process.title}: waiting for ${String(child)} to end before exiting${why}\n`);
    child.joinSync();
  }
}

precompileForChildren(endDaemons, mayEnd, awaitChildren);
