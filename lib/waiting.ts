// Timeouts and AbortSignals, the same for everything that waits.
import { AbortError } from './errors.js';
import { assertType } from './validate.js';

/** How long a wait may take, for methods that block the thread. */
export interface SyncWaitOptions {
  /** In milliseconds; default: no limit. 0 or less: do not wait, only look. */
  timeout?: number | undefined;
}

/** How long a wait may take, for methods that return a promise. */
export interface WaitOptions extends SyncWaitOptions {
  /** Ends the wait: the promise is rejected with an AbortError whose cause is the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** A moment to wait until. */
export class Deadline {
  readonly #end: number;

  constructor(timeout: number) {
    this.#end = performance.now() + timeout;
  }

  /** In milliseconds, never negative; Infinity if there is no limit. */
  get left(): number {
    return Math.max(0, this.#end - performance.now());
  }

  get isOver(): boolean {
    return this.left === 0;
  }
}

/** Wherever options are taken, a number is a timeout. */
export function waitOptions(options: number | WaitOptions): {
  timeout: number;
  signal: AbortSignal | undefined;
} {
  const isObject = typeof options === 'object' && options !== null;
  assertType(
    isObject || typeof options === 'number',
    'options',
    'an object or a number of milliseconds',
    options,
  );
  const { timeout = Infinity, signal }: WaitOptions = isObject ? options : { timeout: options };
  const isNumber = typeof timeout === 'number' && !Number.isNaN(timeout);
  assertType(isNumber, 'timeout', 'a number of milliseconds', timeout);
  const isSignal = signal === undefined || signal instanceof AbortSignal;
  assertType(isSignal, 'signal', 'an AbortSignal', signal);
  return { timeout: Math.max(0, timeout), signal };
}

/** Throws if `signal` was aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(signal);
}

/** The longest that a timer of Node takes; what is longer is for ever. */
const MAX_TIMER = 2 ** 31 - 1;

/**
 * Waits until `subscribe`'s argument is called.
 *
 * @param subscribe called at once; returns a function that takes the subscription back
 * @returns whether it was called before the timeout
 */
export function waitFor(
  subscribe: (wake: () => void) => () => void,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new AbortError(signal));
      return;
    }
    const unsubscribe = subscribe(() => finish(() => resolve(true)));
    const timer =
      timeout <= MAX_TIMER ? setTimeout(() => finish(() => resolve(false)), timeout) : undefined;
    const onAbort = (): void => finish(() => reject(new AbortError(signal!)));
    signal?.addEventListener('abort', onAbort, { once: true });

    function finish(settle: () => void): void {
      unsubscribe();
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      settle();
    }
  });
}
