// Timeouts and AbortSignals, the same for everything that waits.
import { onAbort } from './abort.js';
import { AbortError } from './errors.js';
import { optionsReader, signalOption, timeoutOption } from './options.js';
import { clearTimeout, performance, setTimeout } from './originals.js';
import type { Unsubscribe, Wakers } from './wakers.js';

/** How long a wait may take, for methods that block the thread. */
export interface SyncWaitOptions {
  /** In milliseconds; default: no limit. 0 or less: do not wait, only look. */
  timeout?: number | undefined;
}

/** How long a wait may take, for methods that return a promise. */
export interface WaitOptions extends SyncWaitOptions {
  /**
   * Ends the wait: the promise is rejected with an AbortError whose cause is the signal's reason.
   */
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

/** Blocks the thread. */
export function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const EXPECTED = 'an object or a number of milliseconds';

const readWaitOptions = optionsReader<WaitOptions>(
  'a wait',
  { timeout: timeoutOption, signal: signalOption },
  { expected: EXPECTED },
);

const readSyncWaitOptions = optionsReader<SyncWaitOptions>(
  'a wait that blocks the thread',
  { timeout: timeoutOption },
  {
    expected: EXPECTED,
    hints: { signal: 'nobody could abort it meanwhile; use the method that returns a promise' },
  },
);

/**
 * Whether there is nothing to object to but the values. Some waits take nanoseconds, and so may
 * this.
 */
function isSimple(options: SyncWaitOptions | null): options is SyncWaitOptions {
  if (options === null || Object.getPrototypeOf(options) !== Object.prototype) return false;
  for (const name in options) if (name !== 'timeout') return false;
  return true;
}

/** Wherever options are taken, a number is a timeout. */
export function waitOptions(options: number | WaitOptions): {
  timeout: number;
  signal: AbortSignal | undefined;
} {
  if (typeof options === 'number') return { timeout: timeoutFrom(options), signal: undefined };
  if (isSimple(options)) return { timeout: timeoutFrom(options.timeout), signal: undefined };
  const { timeout, signal } = readWaitOptions(options);
  return { timeout: timeoutFrom(timeout), signal };
}

/** As {@link waitOptions}, for methods that block the thread. Returns the timeout. */
export function syncTimeout(options: number | SyncWaitOptions): number {
  if (options === Infinity) return Infinity; // the default: locks take nanoseconds
  if (typeof options === 'number') return timeoutFrom(options);
  return timeoutFrom((isSimple(options) ? options : readSyncWaitOptions(options)).timeout);
}

/** A timeout as a number of milliseconds, never negative. */
function timeoutFrom(timeout: number = Infinity): number {
  return Math.max(0, timeoutOption(timeout, 'timeout'));
}

/** Throws if `signal` was aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(signal);
}

/** The longest that a timer of Node takes; what is longer is for ever. */
const MAX_TIMER = 2 ** 31 - 1;

/** Something to wait for: it calls the function that it is given, until that is taken back. */
export type Source = Wakers | ((wake: () => void) => Unsubscribe);

/**
 * Waits until `source` calls.
 *
 * @param source subscribed to at once
 * @returns whether it called before the timeout
 */
export function waitFor(
  source: Source,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new AbortError(signal));
      return;
    }
    const wake = (): void => finish(() => resolve(true));
    const unsubscribe = typeof source === 'function' ? source(wake) : source.subscribe(wake);
    const timer =
      timeout <= MAX_TIMER ? setTimeout(() => finish(() => resolve(false)), timeout) : undefined;
    const stopListening =
      signal && onAbort(signal, () => finish(() => reject(new AbortError(signal))));

    function finish(settle: () => void): void {
      unsubscribe();
      clearTimeout(timer);
      stopListening?.();
      settle();
    }
  });
}
