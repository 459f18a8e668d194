// A queue of which every operation takes constant time, however long it is: also to take an entry
// out of its middle, when a wait ends early. (An array moves all that come after it.)

/** A place in a {@link Fifo}, by which its value can be taken out. */
export interface Entry<T> {
  readonly value: T;
}

interface Link<T> extends Entry<T> {
  previous: Link<T> | undefined;
  next: Link<T> | undefined;
  /** The queue that it is in. */
  list: Fifo<T> | undefined;
}

export class Fifo<T> {
  #first: Link<T> | undefined;
  #last: Link<T> | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The value that {@link shift} takes; undefined if there is none. */
  get first(): T | undefined {
    return this.#first?.value;
  }

  /** The value after {@link first}; undefined if there is none. */
  get second(): T | undefined {
    return this.#first?.next?.value;
  }

  /** Puts a value at the end. */
  push(value: T): Entry<T> {
    const link: Link<T> = { value, previous: this.#last, next: undefined, list: this };
    if (this.#last === undefined) this.#first = link;
    else this.#last.next = link;
    this.#last = link;
    this.#length++;
    return link;
  }

  /** Puts a value at the front. */
  unshift(value: T): Entry<T> {
    const link: Link<T> = { value, previous: undefined, next: this.#first, list: this };
    if (this.#first === undefined) this.#last = link;
    else this.#first.previous = link;
    this.#first = link;
    this.#length++;
    return link;
  }

  /** Takes the first value out; undefined if there is none. */
  shift(): T | undefined {
    const first = this.#first;
    if (first !== undefined) this.#unlink(first);
    return first?.value;
  }

  has(entry: Entry<T>): boolean {
    return (entry as Link<T>).list === this;
  }

  /** Takes an entry out. @returns false if it was not in this queue any more */
  remove(entry: Entry<T>): boolean {
    const isHere = this.has(entry);
    if (isHere) this.#unlink(entry as Link<T>);
    return isHere;
  }

  /** Takes everything out. */
  takeAll(): T[] {
    const all: T[] = [];
    while (this.#first !== undefined) all.push(this.shift()!);
    return all;
  }

  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (let link = this.#first; link !== undefined; link = link.next) yield link.value;
  }

  #unlink(link: Link<T>): void {
    const { previous, next } = link;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    link.list = undefined;
    this.#length--;
  }
}
