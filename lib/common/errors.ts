// Every error of this package, and the one place where errno becomes an error.
import { constants } from 'node:os';

/**
 * A failed system call, in the form that Node gives its own: the message is the
 * call and the code, as in `fork EAGAIN`.
 */
export interface SystemError extends Error {
  /**
   * The negative errno, as in {@link https://nodejs.org/api/errors.html#errorerrno | Node's
   * errors}.
   */
  errno: number;
  /** The name of the errno: `'EAGAIN'`. */
  code: string;
  /** The name of the system call: `'fork'`. */
  syscall: string;
}

// util.getSystemErrorName() knows only those that libuv has met, and ECHILD is none
// of them. Where two names are one number, the first is the usual one.
const errnoNames = new Map(
  Object.entries(constants.errno)
    .map(([name, number]) => [number, name] as const)
    .toReversed(),
);

/** Makes the error of a system call that failed with the negative `errno`. */
export function systemError(errno: number, syscall: string): SystemError {
  const code = errnoNames.get(-errno) ?? `errno ${-errno}`;
  const error = new Error(`${syscall} ${code}`);
  return Object.assign(error, { errno, code, syscall });
}

/** Passes on what a native function returned, or throws what it means. */
export function check(returned: number, syscall: string): number {
  if (returned < 0) throw systemError(returned, syscall);
  return returned;
}

/** The values of {@link ProcessError.code}. The names are stable, the messages are not. */
export type ErrorCode =
  | 'ERR_TRUEFORK_ALREADY_STARTED'
  | 'ERR_TRUEFORK_AUTHENTICATION'
  | 'ERR_TRUEFORK_BAD_LENGTH'
  | 'ERR_TRUEFORK_BAD_MESSAGE'
  | 'ERR_TRUEFORK_BROKEN_BARRIER'
  | 'ERR_TRUEFORK_BUFFER_TOO_SHORT'
  | 'ERR_TRUEFORK_CHILD_SETUP'
  | 'ERR_TRUEFORK_CLOSED'
  | 'ERR_TRUEFORK_CONFLICT'
  | 'ERR_TRUEFORK_DAEMON'
  | 'ERR_TRUEFORK_EMPTY'
  | 'ERR_TRUEFORK_EOF'
  | 'ERR_TRUEFORK_EXITING'
  | 'ERR_TRUEFORK_FULL'
  | 'ERR_TRUEFORK_HANDLE_LOST'
  | 'ERR_TRUEFORK_INSPECTOR'
  | 'ERR_TRUEFORK_MANAGER_LOST'
  | 'ERR_TRUEFORK_NO_LOCK'
  | 'ERR_TRUEFORK_NO_SUCH_OBJECT'
  | 'ERR_TRUEFORK_NO_SUCH_TYPE'
  | 'ERR_TRUEFORK_NOT_A_CHILD'
  | 'ERR_TRUEFORK_NOT_CLONABLE'
  | 'ERR_TRUEFORK_NOT_CLOSED'
  | 'ERR_TRUEFORK_NOT_EXPOSED'
  | 'ERR_TRUEFORK_NOT_INHERITED'
  | 'ERR_TRUEFORK_NOT_LOCKED'
  | 'ERR_TRUEFORK_NOT_OWNED'
  | 'ERR_TRUEFORK_NOT_READY'
  | 'ERR_TRUEFORK_NOT_SHAREABLE'
  | 'ERR_TRUEFORK_NOT_STARTED'
  | 'ERR_TRUEFORK_NOT_THE_CREATOR'
  | 'ERR_TRUEFORK_POOL_BROKEN'
  | 'ERR_TRUEFORK_POOL_CLOSED'
  | 'ERR_TRUEFORK_POOL_TERMINATED'
  | 'ERR_TRUEFORK_PROCESS_CLOSED'
  | 'ERR_TRUEFORK_PROFILER'
  | 'ERR_TRUEFORK_READ_ONLY'
  | 'ERR_TRUEFORK_STILL_RUNNING'
  | 'ERR_TRUEFORK_TASKS_LOST'
  | 'ERR_TRUEFORK_THREAD_BUSY'
  | 'ERR_TRUEFORK_TIMEOUT'
  | 'ERR_TRUEFORK_TOO_MANY_DONE'
  | 'ERR_TRUEFORK_TOO_MANY_RELEASES'
  | 'ERR_TRUEFORK_TOO_MANY_WAITERS'
  | 'ERR_TRUEFORK_TRUNCATED'
  | 'ERR_TRUEFORK_UNSUPPORTED'
  | 'ERR_TRUEFORK_VM_TIMEOUT'
  | 'ERR_TRUEFORK_WORKER_LOST'
  | 'ERR_TRUEFORK_WORKERS_BUSY'
  | 'ERR_TRUEFORK_WORKER_THREAD'
  | 'ERR_TRUEFORK_WOULD_BLOCK'
  | 'ERR_TRUEFORK_WRITE_ONLY';

/**
 * The error for a use of this package that cannot work, and for a process or a connection that has
 * failed. Look at `code`, not at the message.
 */
export class ProcessError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  static {
    this.prototype.name = 'ProcessError';
  }
}

/** A wait with a `timeout` took that long. */
export class TimeoutError extends ProcessError {
  constructor(message: string) {
    super('ERR_TRUEFORK_TIMEOUT', message);
  }

  static {
    this.prototype.name = 'TimeoutError';
  }
}

/** There is nothing left to receive, and nobody who could send. */
export class EOFError extends ProcessError {
  constructor(message = 'the other end of the connection is closed') {
    super('ERR_TRUEFORK_EOF', message);
  }

  static {
    this.prototype.name = 'EOFError';
  }
}

/** The peer, or this process, does not have the right key, or does not keep to the protocol. */
export class AuthenticationError extends ProcessError {
  constructor(message: string) {
    super('ERR_TRUEFORK_AUTHENTICATION', message);
  }

  static {
    this.prototype.name = 'AuthenticationError';
  }
}

/** The buffer given to `recvBytesInto()` is too small; the message is not lost. */
export class BufferTooShort extends ProcessError {
  /** The whole message. */
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    super(
      'ERR_TRUEFORK_BUFFER_TOO_SHORT',
      `the message has ${bytes.length} bytes and does not fit; it is in this error's \`bytes\``,
    );
    this.bytes = bytes;
  }

  static {
    this.prototype.name = 'BufferTooShort';
  }
}

/** A Barrier is broken: it was aborted or reset, or one of those who waited gave up or died. */
export class BrokenBarrierError extends ProcessError {
  constructor() {
    super('ERR_TRUEFORK_BROKEN_BARRIER', 'the barrier is broken');
  }

  static {
    this.prototype.name = 'BrokenBarrierError';
  }
}

/** Nothing was in the queue, or nothing came in time. */
export class Empty extends ProcessError {
  constructor() {
    super('ERR_TRUEFORK_EMPTY', 'the queue is empty');
  }

  static {
    this.prototype.name = 'Empty';
  }
}

/** There was no room in the queue, or there was none in time. */
export class Full extends ProcessError {
  constructor() {
    super('ERR_TRUEFORK_FULL', 'the queue is full');
  }

  static {
    this.prototype.name = 'Full';
  }
}

/**
 * A process ended before it had given the result that was waited for; or it was ended, since what
 * it sent could not be read: then `cause` says why.
 */
export class WorkerLostError extends ProcessError {
  readonly pid: number;
  /** N after `process.exit(n)`, −signal after a signal, undefined if unknown. */
  readonly exitcode: number | undefined;
  /** The name of the signal that ended it, or null. */
  readonly signal: NodeJS.Signals | null;

  constructor(
    pid: number,
    exitcode: number | undefined,
    signal: NodeJS.Signals | null,
    cause?: unknown,
  ) {
    const end = signal ?? (exitcode === undefined ? 'unknown status' : `exit code ${exitcode}`);
    const message = `process ${pid} ended (${end}) before it gave a result`;
    const reason = cause instanceof Error ? `: its line was unreadable: ${cause.message}` : '';
    super('ERR_TRUEFORK_WORKER_LOST', message + reason, reason === '' ? undefined : { cause });
    this.pid = pid;
    this.exitcode = exitcode;
    this.signal = signal;
  }

  static {
    this.prototype.name = 'WorkerLostError';
  }
}

/** The workers of a pool end before they do anything: it has given up. The cause says why. */
export class BrokenPoolError extends ProcessError {
  constructor(cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super('ERR_TRUEFORK_POOL_BROKEN', `the pool is broken: ${reason}`, { cause });
  }

  static {
    this.prototype.name = 'BrokenPoolError';
  }
}

/** An `AbortSignal` ended a wait. Has the form of Node's own AbortErrors. */
export class AbortError extends Error {
  readonly code = 'ABORT_ERR';

  constructor(signal: AbortSignal) {
    super('The operation was aborted', { cause: signal.reason });
  }

  static {
    this.prototype.name = 'AbortError';
  }
}
