// Values with objects in them that are more than data. Each of those leaves a slot, which is
// an empty object: V8 keeps the identity of what stands in many places of one value.
import { types } from 'node:util';
import { type Delivered, entryFor, entryNamed, type Attachments } from './shareables.js';

/** A value with its objects taken out: data alone. */
export interface Packed {
  root: unknown;
  /** In the places of the objects. */
  slots: object[];
  /** The name of the class and the parts of each of them. */
  parts: [name: string, parts: unknown][];
}

function put(object: object, key: string, value: unknown): void {
  // An assignment to __proto__ would be something else.
  Object.defineProperty(object, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

function isPlain(value: object): boolean {
  return Object.prototype.toString.call(value) === '[object Object]';
}

class Packer {
  readonly slots: object[] = [];
  readonly parts: [name: string, parts: unknown][] = [];
  readonly #attachments: Attachments;
  readonly #copies = new Map<object, object>();

  constructor(attachments: Attachments) {
    this.#attachments = attachments;
  }

  copy(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    const known = this.#copies.get(value);
    if (known !== undefined) return known;
    const entry = entryFor(value);
    if (entry === undefined) return this.#copyData(value);
    const slot = this.#note(value, {});
    this.slots.push(slot);
    const parts: [string, unknown] = [entry.name, undefined];
    this.parts.push(parts);
    parts[1] = this.copy(entry.recipe.toParts(value, this.#attachments));
    return slot;
  }

  #note<T extends object>(value: object, copy: T): T {
    this.#copies.set(value, copy);
    return copy;
  }

  #copyData(value: object): unknown {
    if (types.isMap(value)) {
      const copy = this.#note(value, new Map<unknown, unknown>());
      for (const [key, item] of value) copy.set(this.copy(key), this.copy(item));
      return copy;
    }
    if (types.isSet(value)) {
      const copy = this.#note(value, new Set<unknown>());
      for (const item of value) copy.add(this.copy(item));
      return copy;
    }
    if (!Array.isArray(value) && !isPlain(value)) return value;
    const copy = this.#note(value, Array.isArray(value) ? Array(value.length) : {});
    for (const [key, item] of Object.entries(value)) put(copy, key, this.copy(item));
    return copy;
  }
}

/** Takes the objects out of a value. Returns undefined if there are none. */
export function pack(value: unknown, attachments: Attachments): Packed | undefined {
  const packer = new Packer(attachments);
  const root = packer.copy(value);
  const { slots, parts } = packer;
  return slots.length === 0 ? undefined : { root, slots, parts };
}

class Unpacker {
  readonly #parts: Packed['parts'];
  readonly #delivered: Delivered;
  readonly #numbers: Map<unknown, number>;
  readonly #objects = new Map<number, object>();
  readonly #begun = new Set<number>();
  readonly #seen = new Set<object>();

  constructor({ slots, parts }: Packed, delivered: Delivered) {
    this.#parts = parts;
    this.#delivered = delivered;
    this.#numbers = new Map(slots.map((slot, number) => [slot, number]));
  }

  /** The value with the objects in their places. */
  fill(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    const number = this.#numbers.get(value);
    if (number !== undefined) return this.#make(number);
    if (this.#seen.has(value)) return value;
    this.#seen.add(value);
    if (types.isMap(value)) this.#fillMap(value);
    else if (types.isSet(value)) this.#fillSet(value);
    else if (Array.isArray(value) || isPlain(value)) this.#fillProperties(value);
    return value;
  }

  #make(number: number): object {
    const known = this.#objects.get(number);
    if (known !== undefined) return known;
    const [name, parts] = this.#parts[number]!;
    const entry = entryNamed(name);
    if (entry === undefined) throw new TypeError(`nothing of the name ${name} can be received`);
    // No sender makes an object that is a part of itself.
    if (this.#begun.has(number)) throw new TypeError('an object that contains itself');
    this.#begun.add(number);
    const object = entry.recipe.fromParts(this.fill(parts), this.#delivered);
    this.#objects.set(number, object);
    return object;
  }

  #fillMap(map: Map<unknown, unknown>): void {
    const entries = [...map].map(([key, item]) => [this.fill(key), this.fill(item)] as const);
    map.clear();
    for (const [key, item] of entries) map.set(key, item);
  }

  #fillSet(set: Set<unknown>): void {
    const items = [...set].map((item) => this.fill(item));
    set.clear();
    for (const item of items) set.add(item);
  }

  #fillProperties(object: object): void {
    for (const [key, item] of Object.entries(object)) {
      const filled = this.fill(item);
      if (filled !== item) put(object, key, filled);
    }
  }
}

/** The reverse of {@link pack}. Throws whatever comes, for a peer may have made it up. */
export function unpack(packed: Packed, delivered: Delivered): unknown {
  return new Unpacker(packed, delivered).fill(packed.root);
}
