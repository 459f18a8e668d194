// Maps, sets, single values and iterators.
import { inspect } from 'node:util';
import { type Makers, referenceOf } from '../../protocol/reference.js';
import { BaseProxy } from './base.js';

function call(proxy: object, method: string, ...args: unknown[]): unknown {
  return referenceOf(proxy).call(method, ...args);
}

/** Methods that change nothing: on a copy. Where the language has them. */
const ON_COPY_OF_MAP = ['entries', 'forEach', 'keys', 'values'];
const ON_COPY_OF_SET = [
  ...ON_COPY_OF_MAP,
  'difference',
  'intersection',
  'isDisjointFrom',
  'isSubsetOf',
  'isSupersetOf',
  'symmetricDifference',
  'union',
];

function addMethodsOnCopies(
  Class: typeof BaseProxy,
  prototype: object,
  names: readonly string[],
): void {
  for (const name of names) {
    const method: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value;
    if (typeof method !== 'function') continue;
    Object.defineProperty(Class.prototype, name, {
      value(this: object, ...args: unknown[]): unknown {
        return (method as (...args: unknown[]) => unknown).apply(call(this, 'getValue'), args);
      },
      configurable: true,
      writable: true,
    });
  }
}

/** The elements that are in it when the first is asked for. */
function* iterate<T>(proxy: object): Generator<T, void, undefined> {
  yield* call(proxy, 'getValue') as Iterable<T>;
}

function show(proxy: object): string {
  const { name } = proxy.constructor;
  try {
    return `${name} ${inspect(call(proxy, 'getValue'))}`;
  } catch {
    return `<${name}>`;
  }
}

class MapProxy extends BaseProxy {
  get(key: unknown): unknown {
    return call(this, 'get', key);
  }

  set(key: unknown, value: unknown): this {
    call(this, 'set', key, value);
    return this;
  }

  has(key: unknown): boolean {
    return call(this, 'has', key) as boolean;
  }

  delete(key: unknown): boolean {
    return call(this, 'delete', key) as boolean;
  }

  /** The value, after it was set if it was not there: one step for all others. */
  getOrInsert(key: unknown, value: unknown): unknown {
    return call(this, 'getOrInsert', key, value);
  }

  /**
   * As {@link getOrInsert}. `compute` is called here, and the first who sets the value has set it.
   */
  getOrInsertComputed(key: unknown, compute: (key: unknown) => unknown): unknown {
    const [isThere, value] = call(this, 'lookUp', key) as [boolean, unknown];
    return isThere ? value : this.getOrInsert(key, compute(key));
  }

  clear(): void {
    call(this, 'clear');
  }

  get size(): number {
    return call(this, 'size') as number;
  }

  [Symbol.iterator](): Iterator<[unknown, unknown]> {
    return iterate<[unknown, unknown]>(this);
  }

  override toString(): string {
    return show(this);
  }
}

class SetProxy extends BaseProxy {
  add(value: unknown): this {
    call(this, 'add', value);
    return this;
  }

  has(value: unknown): boolean {
    return call(this, 'has', value) as boolean;
  }

  delete(value: unknown): boolean {
    return call(this, 'delete', value) as boolean;
  }

  clear(): void {
    call(this, 'clear');
  }

  get size(): number {
    return call(this, 'size') as number;
  }

  [Symbol.iterator](): Iterator<unknown> {
    return iterate<unknown>(this);
  }

  override toString(): string {
    return show(this);
  }
}

addMethodsOnCopies(MapProxy, Map.prototype, ON_COPY_OF_MAP);
addMethodsOnCopies(SetProxy, Set.prototype, ON_COPY_OF_SET);

/** As Value: each is one call. */
class ValueProxy extends BaseProxy {
  get value(): unknown {
    return call(this, 'get');
  }

  set value(value: unknown) {
    call(this, 'set', value);
  }

  get typecode(): unknown {
    return call(this, 'typecode');
  }

  get(): unknown {
    return call(this, 'get');
  }

  set(value: unknown): void {
    call(this, 'set', value);
  }

  add(n: unknown): unknown {
    return call(this, 'add', n);
  }

  exchange(value: unknown): unknown {
    return call(this, 'exchange', value);
  }

  compareExchange(expected: unknown, replacement: unknown): unknown {
    return call(this, 'compareExchange', expected, replacement);
  }

  override toString(): string {
    try {
      return `ValueProxy(${inspect(this.value)})`;
    } catch {
      return '<ValueProxy>';
    }
  }
}

/** Each step is one call, and the iterator is in the server. */
class IteratorProxy extends BaseProxy {
  next(value?: unknown): unknown {
    return call(this, 'next', value);
  }

  return(value?: unknown): unknown {
    return call(this, 'return', value);
  }

  throw(error?: unknown): unknown {
    return call(this, 'throw', error);
  }

  [Symbol.iterator](): this {
    return this;
  }
}

export const collectionMakers: Makers = {
  map: (reference) => new MapProxy(reference),
  set: (reference) => new SetProxy(reference),
  Value: (reference) => new ValueProxy(reference),
  Iterator: (reference) => new IteratorProxy(reference),
};
