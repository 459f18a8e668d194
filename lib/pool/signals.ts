/**
 * Who is to be told of the abort of a signal: one listener for each signal, however many tasks it
 * is for. Of more Node would warn.
 */
export class Signals {
  readonly #waiting = new WeakMap<AbortSignal, Set<() => void>>();
  readonly #listeners = new WeakMap<AbortSignal, () => void>();

  /** Calls `onAbort` when `signal` is aborted. Returns a function that takes that back. */
  watch(signal: AbortSignal, onAbort: () => void): () => void {
    const waiting = this.#waiting.get(signal) ?? this.#listen(signal);
    waiting.add(onAbort);
    return () => {
      waiting.delete(onAbort);
      // The signal may outlive the pool.
      if (waiting.size === 0) this.#stop(signal);
    };
  }

  #listen(signal: AbortSignal): Set<() => void> {
    const waiting = new Set<() => void>();
    const listener = (): void => {
      for (const onAbort of waiting) onAbort();
    };
    signal.addEventListener('abort', listener, { once: true });
    this.#waiting.set(signal, waiting);
    this.#listeners.set(signal, listener);
    return waiting;
  }

  #stop(signal: AbortSignal): void {
    signal.removeEventListener('abort', this.#listeners.get(signal)!);
    this.#waiting.delete(signal);
  }
}
