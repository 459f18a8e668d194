// Lines of those who wait in a server, in the order in which they came. All is done in one thread,
// and what somebody waits for is given to him: nobody who comes later can be faster.
import { Fifo } from '../../../common/fifo.js';
import { waitFor } from '../../../common/waiting.js';
import type { ClientCall } from '../session.js';

interface Place<T> {
  call: ClientCall;
  wake: () => void;
  given?: { value: T };
}

export class Line<T = void> {
  readonly #places = new Fifo<Place<T>>();

  get length(): number {
    return this.#places.length;
  }

  /** The one who is next. */
  get first(): ClientCall | undefined {
    return this.#places.first?.call;
  }

  /**
   * Waits for {@link give}.
   *
   * @returns what was given; undefined after the timeout
   * @throws AbortError if the client does not wait any more
   */
  async wait(call: ClientCall, timeout: number): Promise<{ value: T } | undefined> {
    const place: Place<T> = { call, wake: () => {} };
    const entry = this.#places.push(place);
    const subscribe = (wake: () => void): (() => void) => {
      place.wake = wake;
      return () => void this.#places.remove(entry);
    };
    try {
      await waitFor(subscribe, timeout, call.signal);
    } finally {
      this.#places.remove(entry);
    }
    return place.given;
  }

  /** Lets the first go on. @returns false if nobody waits */
  give(value: T): boolean {
    const { first } = this.#places;
    if (first === undefined) return false;
    first.given = { value };
    first.wake();
    return true;
  }
}
