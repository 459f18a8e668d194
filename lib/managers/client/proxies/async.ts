// The promise form of every proxy.
import { GET, ITERATE } from '../../protocol/protocol.js';
import { type Reference, referenceOf } from '../../protocol/reference.js';
import { BaseProxy } from './base.js';

type AnyFunction = (...args: never[]) => unknown;

/** Methods that return promises: of `T`'s own methods, and of what its properties are. */
export type Async<T> = {
  readonly [Key in keyof T]: T[Key] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : Promise<T[Key]>;
};

/** The promise form of a dict or a namespace. Each is one call, and one step for all others. */
export interface AsyncDict<T extends object> {
  get<Key extends keyof T>(key: Key): Promise<T[Key] | undefined>;
  set<Key extends keyof T>(key: Key, value: T[Key]): Promise<void>;
  has(key: keyof T): Promise<boolean>;
  /** Whether it was there. */
  delete(key: keyof T): Promise<boolean>;
  keys(): Promise<(keyof T)[]>;
  values(): Promise<T[keyof T][]>;
  entries(): Promise<[keyof T, T[keyof T]][]>;
  size(): Promise<number>;
  clear(): Promise<void>;
  update(values: Partial<T>): Promise<void>;
  /** The value, after it was set if it was not there. */
  setDefault<Key extends keyof T>(key: Key, value: T[Key]): Promise<T[Key]>;
  /** Removes it, and returns the value; `otherwise` if it is not there. */
  pop<Key extends keyof T>(key: Key, otherwise?: T[Key]): Promise<T[Key] | undefined>;
  /** Removes the one that was added last. */
  popItem(): Promise<[keyof T, T[keyof T]] | undefined>;
  /** A copy. */
  getValue(): Promise<T>;
}

/** The promise form of a list. Each is one call, and one step for all others. */
export interface AsyncList<T> {
  get(index: number): Promise<T | undefined>;
  set(index: number, value: T): Promise<void>;
  length(): Promise<number>;
  at(index: number): Promise<T | undefined>;
  push(...values: T[]): Promise<number>;
  pop(): Promise<T | undefined>;
  shift(): Promise<T | undefined>;
  unshift(...values: T[]): Promise<number>;
  splice(start: number, deleteCount?: number, ...values: T[]): Promise<T[]>;
  slice(start?: number, end?: number): Promise<T[]>;
  concat(...values: (T | T[])[]): Promise<T[]>;
  includes(value: T): Promise<boolean>;
  indexOf(value: T, from?: number): Promise<number>;
  lastIndexOf(value: T): Promise<number>;
  join(separator?: string): Promise<string>;
  /** Appends all of them. */
  extend(values: T[]): Promise<void>;
  reverse(): Promise<void>;
  sort(): Promise<void>;
  fill(value: T, start?: number, end?: number): Promise<void>;
  /** A copy. */
  getValue(): Promise<T[]>;
}

/** The form of a proxy that {@link asyncProxy} makes. */
export type AsyncProxy<T> = T extends readonly (infer Element)[]
  ? AsyncList<Element>
  : T extends { acquireSync: AnyFunction } | { waitSync: AnyFunction } | { getSync: AnyFunction }
    ? Async<T>
    : string extends keyof T
      ? AsyncDict<T & object>
      : { [Key in keyof T]: T[Key] extends AnyFunction ? true : false } extends Record<
            keyof T,
            false
          >
        ? AsyncDict<T & object>
        : Async<T>;

const forms = new WeakMap<object, object>();

/** Names that the language asks all objects for, and that are no methods of a referent. */
const NO_METHODS = new Set(['then', 'toJSON', 'constructor']);

function asyncIterator(reference: Reference): AsyncIterator<unknown> {
  let iterator: Reference | undefined;
  return {
    async next(): Promise<IteratorResult<unknown>> {
      iterator ??= referenceOf(await reference.callAsync(ITERATE));
      return (await iterator.callAsync('next')) as IteratorResult<unknown>;
    },
  };
}

/** The method of a proxy that returns a promise by itself, beside one that blocks. */
function ownForm(proxy: object, key: string): unknown {
  if (!(proxy instanceof BaseProxy) || !(`${key}Sync` in proxy)) return undefined;
  return (Reflect.get(proxy, key) as AnyFunction).bind(proxy);
}

class AsyncHandler implements ProxyHandler<object> {
  readonly #reference: Reference;

  constructor(reference: Reference) {
    this.#reference = reference;
  }

  get(_target: object, key: string | symbol): unknown {
    const reference = this.#reference;
    if (key === Symbol.asyncIterator) return () => asyncIterator(reference);
    if (typeof key === 'symbol' || NO_METHODS.has(key)) return undefined;
    if (reference.shape !== undefined && key in reference.shape.properties) {
      return reference.callAsync(GET + key);
    }
    return (
      ownForm(reference.proxy!, key) ?? ((...args: unknown[]) => reference.callAsync(key, args))
    );
  }

  set(): boolean {
    return false;
  }
}

/**
 * The promise form of a proxy: each method returns a promise, and leaves the event loop free.
 *
 * - A dict or a namespace has `get`, `set`, `has`, `delete`, `keys`, `values`, `entries`, `size`,
 *   `clear`, `update`, `setDefault`, `pop`, `popItem`, `getValue`: {@link AsyncDict}.
 * - A list has `get`, `set`, `length`, `extend` and the methods of arrays: {@link AsyncList}.
 * - All others have the methods of their objects, and properties that are promises.
 *
 * Many calls can be under way at the same time. They are done in the order in which they were made,
 * but not in one order with those that block.
 *
 * @example
 * ```ts
 * const counts = asyncProxy(dict);
 * await counts.set('done', 1 + ((await counts.get('done')) ?? 0));
 * ```
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE` if it is not a proxy
 */
export function asyncProxy<T extends object>(proxy: T): AsyncProxy<T> {
  const reference = referenceOf(proxy);
  let form = forms.get(proxy);
  if (form === undefined) {
    // The form keeps the proxy, for which the server keeps the object.
    form = new Proxy({ proxy }, new AsyncHandler(reference));
    forms.set(proxy, form);
  }
  return form as AsyncProxy<T>;
}
