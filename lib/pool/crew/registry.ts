// Functions and lists of items that workers have had since they were forked. Messages name them by
// a number only.
import { rememberCode } from '../../fork/known-code.js';

/**
 * Things in the order in which the pool was first given them. A worker knows those that were
 * there when it was forked. A thing that nobody else refers to is forgotten.
 */
export class Registry {
  readonly #numbers = new WeakMap<object, number>();
  readonly #known = new Map<number, WeakRef<object>>();
  #last = 0;

  /** The number of what was registered last; 0 if nothing was. */
  get last(): number {
    return this.#last;
  }

  /** The number of `thing`, which gets the next one if it has none. */
  numberOf(thing: object): number {
    const known = this.#numbers.get(thing);
    if (known !== undefined) return known;
    const number = ++this.#last;
    if (typeof thing === 'function') rememberCode(thing as () => unknown);
    this.#numbers.set(thing, number);
    this.#known.set(number, new WeakRef(thing));
    return number;
  }

  /** All of them, for a worker that is about to be forked. */
  snapshot(): Map<number, object> {
    const things = new Map<number, object>();
    for (const [number, reference] of this.#known) {
      const thing = reference.deref();
      if (thing === undefined) this.#known.delete(number);
      else things.set(number, thing);
    }
    return things;
  }
}
