// One function in a process of its own.
import { type ProcessError, WorkerLostError } from '../common/errors.js';
import { onForkedChild } from '../common/per-process.js';
import { assertFunction } from '../common/validate.js';
import { type Connection, Pipe } from '../connection/index.js';
import { finishRequests } from '../fork/drain.js';
import { rememberCode } from '../fork/known-code.js';
import { exit } from '../fork/leave.js';
import { Process } from '../process/process.js';
import { badMessage } from '../serialize/clone.js';

/**
 * Ends that this process alone uses: its children close them, for others to see the end of file.
 */
const own = new Set<Connection>();

function closeOwn(): void {
  for (const connection of own) connection.close();
  own.clear();
}

onForkedChild(closeOwn);

/**
 * Nobody but the parent wants the result, so the child does not outlive it; it may have children.
 */
class InChild extends Process {
  protected override get endsWithParent(): boolean {
    return true;
  }
}

function sendWhole(writer: Connection, outcome: unknown, isError: boolean): void {
  writer.sendSync(outcome);
  writer.sendSync(isError);
}

/** The value or the error, then which of them it is. */
function sendOutcome(writer: Connection, outcome: unknown, isError: boolean): void {
  try {
    sendWhole(writer, outcome, isError);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPIPE') return; // the parent has died: nobody wants to know
    // Nothing of it is out: a value is encoded before it is written.
    sendWhole(writer, error, true);
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
  await finishRequests();
  exit();
}

/** The message of {@link sendOutcome}. */
interface Outcome {
  value: PromiseSettledResult<unknown>;
  isError: boolean;
}

async function receiveOutcome(reader: Connection): Promise<Outcome> {
  const [value] = await Promise.allSettled([reader.recv()]);
  try {
    const isError = await reader.recv();
    if (typeof isError === 'boolean') return { value, isError };
  } catch (error) {
    throw value.status === 'rejected' ? value.reason : error;
  }
  throw badMessage();
}

/** The child is gone; or it has sent something else than its outcome, and has to go. */
async function lose(child: Process, cause: unknown): Promise<never> {
  const { code } = cause as ProcessError;
  const isEnd = code === 'ERR_TRUEFORK_EOF' || code === 'ERR_TRUEFORK_TRUNCATED';
  if (!isEnd) child.kill();
  const exitcode = (await child.join()) ?? undefined;
  throw new WorkerLostError(child.pid!, exitcode, child.exitSignal, isEnd ? undefined : cause);
}

async function outcomeOf<T>(reader: Connection, child: Process): Promise<T> {
  const { value, isError } = await receiveOutcome(reader).catch((cause: unknown) =>
    lose(child, cause),
  );
  // It was sent, and cannot be had: too many descriptors, or what V8 writes and does not read.
  if (value.status === 'rejected') throw value.reason;
  if (isError) throw value.value;
  return value.value as T;
}

/**
 * Runs `fn(...args)` in a child process, a fork of this one as in {@link Process}, and returns what
 * it returns or resolves to. Closures, arguments and whatever they refer to are simply there; the
 * result comes back by structured clone.
 *
 * The child ends when `fn` has settled, or with this process. It may have children. Before it ends
 * it finishes the requests (files, look-ups, what is written to sockets) that `fn` has begun and
 * not awaited, within five seconds, and the promise waits for that.
 *
 * @example
 * ```ts
 * const primes = await inChild(() => sieve(1e8)); // this event loop stays free
 * ```
 *
 * @throws what `fn` throws or rejects with: the same class, message, stack, cause and own
 *   properties; of a class that this process does not have, the nearest that it extends and its
 *   name
 * @throws WorkerLostError if the child ended before that
 * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE` if the result cannot be sent, and what
 *   `Process.start()` throws
 */
export async function inChild<Args extends unknown[], Result>(
  fn: (...args: Args) => Result,
  ...args: Args
): Promise<Awaited<Result>> {
  assertFunction(fn, 'fn');
  rememberCode(fn);
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
      return await outcomeOf<Awaited<Result>>(reader, child);
    } finally {
      await child.join();
    }
  } finally {
    own.delete(reader);
    reader.close();
  }
}
