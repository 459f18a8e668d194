// One function in a process of its own.
import { type Connection, Pipe } from './connection.js';
import { type ProcessError, WorkerLostError } from './errors.js';
import { onForkedChild } from './posix/fork.js';
import { Process } from './process.js';
import { assertFunction } from './validate.js';

/** Ends that this process alone uses: its children close them, for others to see the end of file. */
const own = new Set<Connection>();

function closeOwn(): void {
  for (const connection of own) connection.close();
  own.clear();
}

onForkedChild(closeOwn);

/** Nobody but the parent wants the result, so the child does not outlive it; it may have children. */
class InChild extends Process {
  protected override get endsWithParent(): boolean {
    return true;
  }
}

/** The value or the error, then which of them it is. */
function sendOutcome(writer: Connection, outcome: unknown, isError: boolean): void {
  try {
    writer.sendSync(outcome);
    writer.sendSync(isError);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPIPE') return; // the parent has died: nobody wants to know
    if (code !== 'ERR_TRUEFORK_NOT_CLONABLE') throw error;
    sendOutcome(writer, error, true);
  }
}

async function work(writer: Connection, fn: () => unknown): Promise<never> {
  own.add(writer);
  let outcome: unknown;
  let isError = false;
  try {
    outcome = await fn();
  } catch (error) {
    outcome = error;
    isError = true;
  }
  sendOutcome(writer, outcome, isError);
  process.exit();
}

async function receiveOutcome<T>(reader: Connection, child: Process): Promise<T> {
  let outcome: unknown;
  try {
    outcome = await reader.recv();
    if ((await reader.recv()) === false) return outcome as T;
  } catch (error) {
    const { code } = error as ProcessError;
    if (code !== 'ERR_TRUEFORK_EOF' && code !== 'ERR_TRUEFORK_TRUNCATED') throw error;
    const exitcode = (await child.join()) ?? undefined;
    throw new WorkerLostError(child.pid!, exitcode, child.exitSignal);
  }
  throw outcome;
}

/**
 * Runs `fn(...args)` in a child process, a fork of this one as in {@link Process}, and
 * returns what it returns or resolves to. Closures, arguments and whatever they refer to
 * are simply there; the result comes back by structured clone.
 *
 * The child ends when `fn` has settled, or with this process. It may have children.
 *
 * @example
 * ```ts
 * const primes = await inChild(() => sieve(1e8)); // this event loop stays free
 * ```
 *
 * @throws what `fn` throws or rejects with: the same message, stack, cause and own properties;
 *   classes that are not built in become Error, with their name
 * @throws WorkerLostError if the child ended before that
 * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE` if the result cannot be sent, and what
 *   `Process.start()` throws
 */
export async function inChild<Args extends unknown[], Result>(
  fn: (...args: Args) => Result,
  ...args: Args
): Promise<Awaited<Result>> {
  assertFunction(fn, 'fn');
  // A duplex one takes handles along; a child that has ended could not give them any more.
  const [reader, writer] = Pipe();
  own.add(reader);
  const child = new InChild({ target: () => work(writer, () => fn(...args)) });
  try {
    try {
      child.start();
    } finally {
      writer.close();
    }
    try {
      return await receiveOutcome<Awaited<Result>>(reader, child);
    } finally {
      await child.join();
    }
  } finally {
    own.delete(reader);
    reader.close();
  }
}
