// Lines of those who wait in a server, in the order in which they came. All is done in one thread, and what
// somebody waits for is given to him: nobody who comes later can be faster.
import { waitFor } from '../../waiting.js';
import type { Caller, Session } from '../session.js';

interface Place<T> {
  session: Session;
  wake: () => void;
  given?: { value: T };
}

export class Line<T = void> {
  readonly #places = new Set<Place<T>>();

  get length(): number {
    return this.#places.size;
  }

  /** The client that is next. */
  get first(): Session | undefined {
    const [first] = this.#places;
    return first?.session;
  }

  /**
   * Waits for {@link give}.
   *
   * @returns what was given; undefined after the timeout
   * @throws AbortError if the client does not wait any more
   */
  async wait(caller: Caller, timeout: number): Promise<{ value: T } | undefined> {
    const place: Place<T> = { session: caller.session, wake: () => {} };
    this.#places.add(place);
    const subscribe = (wake: () => void): (() => void) => {
      place.wake = wake;
      return () => this.#places.delete(place);
    };
    try {
      await waitFor(subscribe, timeout, caller.signal);
    } finally {
      this.#places.delete(place);
    }
    return place.given;
  }

  /** Lets the first go on. @returns false if nobody waits */
  give(value: T): boolean {
    const [first] = this.#places;
    if (first === undefined) return false;
    first.given = { value };
    first.wake();
    return true;
  }
}
