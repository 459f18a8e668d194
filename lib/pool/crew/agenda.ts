// Actions of a pool that are due at some time.
import { clearTimeout, performance, setTimeout } from '../../common/originals.js';
import { thisProcess } from '../../common/per-process.js';
import { inRootContext } from '../root-context.js';

/** The longest that a timer of Node takes, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * An action that is due at some time. It does not keep the event loop alive, and also runs without
 * one: by {@link runDue}.
 */
export class Agenda {
  readonly #owner = thisProcess;
  readonly #times = new Map<() => void, number>();
  #timer: NodeJS.Timeout | undefined;
  #wakesAt = Infinity;

  /** Has `action` done at `at` (by the clock of performance.now()), or earlier if that was said. */
  add(at: number, action: () => void): void {
    if (at === Infinity || at >= (this.#times.get(action) ?? Infinity)) return;
    this.#times.set(action, at);
    this.#setTimer(at);
  }

  /** When there is something to do, in milliseconds from now. */
  get left(): number {
    return Math.max(0, this.#next - performance.now());
  }

  runDue(): void {
    const now = performance.now();
    const due = [...this.#times].filter(([, at]) => at <= now);
    for (const [action] of due) this.#times.delete(action);
    for (const [action] of due) action();
  }

  clear(): void {
    this.#times.clear();
    clearTimeout(this.#timer);
    this.#wakesAt = Infinity;
  }

  get #next(): number {
    let next = Infinity;
    for (const time of this.#times.values()) next = Math.min(next, time);
    return next;
  }

  #setTimer(at: number): void {
    if (at >= this.#wakesAt) return;
    clearTimeout(this.#timer);
    this.#wakesAt = at;
    const delay = Math.min(Math.max(1, Math.ceil(at - performance.now())), MAX_TIMER_MS);
    this.#timer = inRootContext(() => setTimeout(() => this.#onTimer(), delay).unref());
  }

  #onTimer(): void {
    // The copy of a child that goes on with its parent's work (`posix.fork()`).
    if (this.#owner !== thisProcess) return;
    this.#wakesAt = Infinity;
    this.runDue();
    if (this.#times.size > 0) this.#setTimer(this.#next);
  }
}
