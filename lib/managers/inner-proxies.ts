// Proxies inside of values. A structured clone cannot write them, so that each is replaced by a mark: an
// empty object, which comes out of the clone in the same places. Nothing in a value can pass for a mark.
import { types } from 'node:util';
import { isProxy, type Token } from './reference.js';

/** A value without its proxies, the marks in it, and what the marks stand for. */
interface Parts {
  root: unknown;
  marks: object[];
  tokens: Token[];
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Copies a value, with marks for proxies. */
class Copier {
  readonly marks: object[] = [];
  readonly tokens: Token[] = [];
  readonly #toToken: (proxy: object) => Token;
  readonly #copies = new Map<object, object>();

  constructor(toToken: (proxy: object) => Token) {
    this.#toToken = toToken;
  }

  copy(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    const made = this.#copies.get(value);
    if (made !== undefined) return made;
    if (isProxy(value)) return this.#mark(value);
    if (Array.isArray(value)) return this.#copyArray(value);
    if (types.isMap(value)) return this.#copyMap(value);
    if (types.isSet(value)) return this.#copySet(value);
    return isPlain(value) ? this.#copyObject(value) : value;
  }

  #mark(proxy: object): object {
    const mark = {};
    this.#copies.set(proxy, mark);
    this.marks.push(mark);
    this.tokens.push(this.#toToken(proxy));
    return mark;
  }

  #copyArray(array: unknown[]): unknown[] {
    const copy = new Array<unknown>(array.length);
    this.#copies.set(array, copy);
    // Holes stay holes.
    for (const key of Object.keys(array)) Reflect.set(copy, key, this.copy(Reflect.get(array, key)));
    return copy;
  }

  #copyMap(map: Map<unknown, unknown>): Map<unknown, unknown> {
    const copy = new Map<unknown, unknown>();
    this.#copies.set(map, copy);
    for (const [key, value] of map) copy.set(this.copy(key), this.copy(value));
    return copy;
  }

  #copySet(set: Set<unknown>): Set<unknown> {
    const copy = new Set<unknown>();
    this.#copies.set(set, copy);
    for (const value of set) copy.add(this.copy(value));
    return copy;
  }

  #copyObject(object: object): object {
    const copy = {};
    this.#copies.set(object, copy);
    for (const [key, value] of Object.entries(object)) define(copy, key, this.copy(value));
    return copy;
  }
}

/** Also where the key is `__proto__`. */
function define(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

/** @returns undefined if there are no proxies in `value` */
export function takeOutProxies(
  value: unknown,
  toToken: (proxy: object) => Token,
): Parts | undefined {
  const copier = new Copier(toToken);
  const root = copier.copy(value);
  const { marks, tokens } = copier;
  return marks.length > 0 ? { root, marks, tokens } : undefined;
}

/** Puts proxies where the marks are. */
class Restorer {
  readonly #proxies: Map<unknown, unknown>;
  readonly #seen = new Set<object>();

  constructor(proxies: Map<unknown, unknown>) {
    this.#proxies = proxies;
  }

  restore(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    if (this.#proxies.has(value)) return this.#proxies.get(value);
    if (this.#seen.has(value)) return value;
    this.#seen.add(value);
    if (types.isMap(value)) this.#restoreMap(value);
    else if (types.isSet(value)) this.#restoreSet(value);
    else if (!ArrayBuffer.isView(value)) this.#restoreProperties(value);
    return value;
  }

  #restoreMap(map: Map<unknown, unknown>): void {
    const entries = [...map];
    map.clear();
    for (const [key, value] of entries) map.set(this.restore(key), this.restore(value));
  }

  #restoreSet(set: Set<unknown>): void {
    const values = [...set];
    set.clear();
    for (const value of values) set.add(this.restore(value));
  }

  #restoreProperties(object: object): void {
    for (const [key, value] of Object.entries(object)) {
      const restored = this.restore(value);
      if (restored !== value) define(object, key, restored);
    }
  }
}

/** @param received {@link Parts}, as a peer has sent them */
export function restoreProxies(received: unknown, fromToken: (token: Token) => unknown): unknown {
  const { root, marks, tokens } = received as Parts;
  const proxies = new Map<unknown, unknown>();
  for (const [i, mark] of marks.entries()) proxies.set(mark, fromToken(tokens[i]!));
  return new Restorer(proxies).restore(root);
}
