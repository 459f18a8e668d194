// Waits at a channel, to receive or until something is sent, and the errors that they end with.
import { ProcessError, TimeoutError } from '../common/errors.js';
import type { FdTransport } from '../serialize/shareables.js';

/** The channel, as its two halves need it. */
export interface ChannelSide {
  readonly fd: number;
  readonly transport: FdTransport;
  /**
   * Call it first: in a forked child it forgets the waits of the parent.
   *
   * @throws ProcessError `ERR_TRUEFORK_CLOSED`
   */
  enter(): void;
  /** Watches the descriptor for what is waited for now. */
  watch(): void;
}

/** Somebody who waits, and what became of it. */
export interface Waiting {
  wake: () => void;
  isDone: boolean;
  error?: unknown;
}

/** Ends a wait that has ended well, or not at all. */
export function settle<T extends Waiting>(waiting: T): T {
  if (waiting.error !== undefined) throw waiting.error;
  if (!waiting.isDone) throw new TimeoutError('the connection was not ready in time');
  return waiting;
}

export function closedError(): ProcessError {
  return new ProcessError('ERR_TRUEFORK_CLOSED', 'handle is closed');
}

export function tornError(): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_TRUNCATED',
    'cannot use this end here: when this process was forked, its parent was in the middle of a ' +
      'message',
  );
}
