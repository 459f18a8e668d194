// Functions to call when something has happened, of those who wait for it.

/** Takes a subscription back. May be called twice. */
export type Unsubscribe = () => void;

export class Wakers {
  readonly #wakes = new Set<() => void>();
  readonly #onChange: () => void;

  /** @param onChange called when the first one has come, and when the last one has gone */
  constructor(onChange: () => void = () => {}) {
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#wakes.size;
  }

  /**
   * From here on {@link wakeAll} calls `wake`, until the function that is returned is called;
   * unless `onChange` throws.
   */
  subscribe(wake: () => void): Unsubscribe {
    this.#wakes.add(wake);
    try {
      if (this.#wakes.size === 1) this.#onChange();
    } catch (error) {
      this.#wakes.delete(wake);
      throw error;
    }
    return () => {
      if (this.#wakes.delete(wake) && this.#wakes.size === 0) this.#onChange();
    };
  }

  /** Calls those that are there now, and not those that an earlier one of them takes back. */
  wakeAll(): void {
    for (const wake of Array.from(this.#wakes)) if (this.#wakes.has(wake)) wake();
  }

  /** In a forked child: they are the parent's. */
  forget(): void {
    this.#wakes.clear();
  }
}
