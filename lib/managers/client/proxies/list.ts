// Lists and arrays, which read like arrays.
import { inspect } from 'node:util';
import { ProcessError } from '../../../common/errors.js';
import { assertFunction, assertInteger } from '../../../common/validate.js';
import { bind, type Makers, type Reference } from '../../protocol/reference.js';
import { makeProxiesSendable } from '../sending.js';

type Method = (...args: unknown[]) => unknown;
type Compare = (a: unknown, b: unknown) => number;

const INDEX = /^(0|[1-9]\d*)$/;

function indexOf(key: string): number | undefined {
  return INDEX.test(key) ? Number(key) : undefined;
}

/** Methods that are one call, and return what that returns. */
const REMOTE = [
  'at',
  'concat',
  'includes',
  'indexOf',
  'join',
  'lastIndexOf',
  'pop',
  'push',
  'shift',
  'slice',
  'splice',
  'unshift',
];
/**
 * Methods that work on a copy: whatever else arrays have may change one, and would change nothing.
 */
const ON_COPY = new Set([
  'entries',
  'every',
  'filter',
  'find',
  'findIndex',
  'findLast',
  'findLastIndex',
  'flat',
  'flatMap',
  'forEach',
  'keys',
  'map',
  'reduce',
  'reduceRight',
  'some',
  'toLocaleString',
  'toReversed',
  'toSorted',
  'toSpliced',
  'with',
]);
/** The methods among them that arrays of a fixed length have, too. */
const ON_COPY_OF_ARRAY = new Set(['at', 'concat', 'includes', 'indexOf', 'join', 'lastIndexOf']);
/** How often to sort anew when others have changed the list meanwhile. */
const MAX_SORTS = 100;
/** Methods that return the list itself. */
const RETURNS_ITSELF = ['copyWithin', 'fill', 'reverse'];

/** The elements as they are when the first is asked for. */
function* iterate(copy: () => Iterable<unknown>): Generator<unknown, void, undefined> {
  yield* copy();
}

/** The methods of a proxy, by name: its other properties are elements. */
type Members = Map<string | symbol, unknown>;

function copyOf(reference: Reference): unknown[] {
  return reference.call('getValue') as unknown[];
}

function commonMembers(reference: Reference, name: string): Members {
  const members: Members = new Map<string | symbol, unknown>();
  const iterator = (): unknown => iterate(() => copyOf(reference));
  members.set(Symbol.iterator, iterator);
  members.set('values', iterator);
  members.set('toString', () => copyOf(reference).toString());
  members.set('toJSON', () => [...copyOf(reference)]);
  members.set(inspect.custom, () => show(reference, name));
  return members;
}

function show(reference: Reference, name: string): string {
  try {
    return `${name} ${inspect(copyOf(reference))}`;
  } catch {
    return `<${name}>`;
  }
}

function listMembers(reference: Reference, itself: () => unknown): Members {
  const members = commonMembers(reference, 'ListProxy');
  for (const name of REMOTE) {
    members.set(name, (...args: unknown[]) => reference.call(name, ...args));
  }
  for (const name of RETURNS_ITSELF) {
    members.set(name, (...args: unknown[]) => {
      reference.call(name, ...args);
      return itself();
    });
  }
  members.set('sort', (compare?: Compare) => {
    if (compare === undefined) reference.call('sort');
    else sortBy(reference, compare);
    return itself();
  });
  return members;
}

/**
 * The indices of the elements in their order. Undefined elements come last, as in the language.
 */
function orderOf(elements: readonly unknown[], compare: Compare): Uint32Array {
  const all = elements.map((_, index) => index);
  const order = all
    .filter((index) => elements[index] !== undefined)
    .toSorted((a, b) => compare(elements[a], elements[b]));
  for (const index of all) if (elements[index] === undefined) order.push(index);
  return Uint32Array.from(order);
}

/**
 * Functions stay where they are. So the order is found here, and counts if nobody has changed the
 * list meanwhile.
 */
function sortBy(reference: Reference, compare: Compare): void {
  assertFunction(compare, 'compare');
  for (let i = 0; i < MAX_SORTS; i++) {
    const [version, elements] = reference.call('readVersion') as [number, unknown[]];
    if (reference.call('permute', version, orderOf(elements, compare)) as boolean) return;
  }
  throw new ProcessError(
    'ERR_TRUEFORK_CONFLICT',
    `the list was changed each of the ${MAX_SORTS} times that it was sorted: hold a lock while you sort it, and where ` +
      'others change it',
  );
}

function arrayMembers(reference: Reference, itself: () => unknown): Members {
  const members = commonMembers(reference, 'ArrayProxy');
  members.set('slice', (...args: unknown[]) => reference.call('slice', ...args));
  members.set('fill', (...args: unknown[]) => {
    reference.call('fill', ...args);
    return itself();
  });
  members.set('get', (index: unknown) => {
    assertInteger(index, 'index', 0, (reference.call('length') as number) - 1);
    return reference.call('get', index);
  });
  members.set('set', (index: unknown, value?: unknown) => {
    reference.call(typeof index === 'number' ? 'set' : 'setAll', index, value);
  });
  return members;
}

function onCopy(reference: Reference, name: string): unknown {
  const method = Reflect.get(Array.prototype, name) as unknown;
  if (typeof method !== 'function') return undefined;
  return (...args: unknown[]) => (method as Method).apply(copyOf(reference), args);
}

class ListHandler implements ProxyHandler<unknown[]> {
  readonly #reference: Reference;
  readonly #members: Members;
  readonly #isFixed: boolean;

  constructor(reference: Reference, members: Members, isFixed: boolean) {
    this.#reference = reference;
    this.#members = members;
    this.#isFixed = isFixed;
  }

  get(_target: unknown[], key: string | symbol): unknown {
    if (key === 'length') return this.#reference.call('length');
    const member = this.#members.get(key);
    if (member !== undefined) return member;
    if (typeof key === 'symbol') return Reflect.get(Array.prototype, key);
    const index = indexOf(key);
    if (index !== undefined) return this.#reference.call('get', index);
    const isOnCopy = ON_COPY.has(key) || (this.#isFixed && ON_COPY_OF_ARRAY.has(key));
    if (isOnCopy) return onCopy(this.#reference, key);
    return key in Object.prototype ? Reflect.get(Array.prototype, key) : undefined;
  }

  set(_target: unknown[], key: string | symbol, value: unknown): boolean {
    if (key === 'length' && !this.#isFixed) {
      this.#reference.call('setLength', value);
      return true;
    }
    const index = typeof key === 'string' ? indexOf(key) : undefined;
    if (index === undefined) return false;
    this.#reference.call('set', index, value);
    return true;
  }

  has(_target: unknown[], key: string | symbol): boolean {
    const index = typeof key === 'string' ? indexOf(key) : undefined;
    if (index === undefined) return key in Array.prototype || this.#members.has(key);
    return this.#reference.call('has', index) as boolean;
  }

  deleteProperty(_target: unknown[], key: string | symbol): boolean {
    const index = typeof key === 'string' ? indexOf(key) : undefined;
    if (index === undefined) return key !== 'length';
    return !this.#isFixed && (this.#reference.call('delete', index) as boolean);
  }

  defineProperty(target: unknown[], key: string | symbol, property: PropertyDescriptor): boolean {
    const isValue = 'value' in property && property.get === undefined;
    return isValue && this.set(target, key, property.value);
  }

  ownKeys(): string[] {
    return [...(this.#reference.call('keys') as string[]), 'length'];
  }

  getOwnPropertyDescriptor(
    _target: unknown[],
    key: string | symbol,
  ): PropertyDescriptor | undefined {
    if (key === 'length') {
      const value = this.#reference.call('length');
      return { value, configurable: false, enumerable: false, writable: true };
    }
    const index = typeof key === 'string' ? indexOf(key) : undefined;
    if (index === undefined) return undefined;
    const [isThere, value] = this.#reference.call('lookUp', index) as [boolean, unknown];
    if (!isThere) return undefined;
    return { value, configurable: true, enumerable: true, writable: true };
  }

  preventExtensions(): boolean {
    return false;
  }

  setPrototypeOf(): boolean {
    return false;
  }
}

/** By which proxies are known when they are sent. */
const PROTOTYPE = Object.create(Array.prototype) as object;
makeProxiesSendable('list', PROTOTYPE);

function make(
  reference: Reference,
  name: string,
  membersOf: (reference: Reference, itself: () => unknown) => Members,
  isFixed: boolean,
): object {
  const target = Object.setPrototypeOf([], PROTOTYPE) as unknown[];
  // util.inspect() looks at the target, and not through the handler.
  Object.defineProperty(target, inspect.custom, {
    value: () => show(reference, name),
    configurable: true,
  });
  const members = membersOf(reference, () => proxy);
  const proxy: object = new Proxy(target, new ListHandler(reference, members, isFixed));
  return bind(proxy, reference);
}

export const listMakers: Makers = {
  list: (reference) => make(reference, 'ListProxy', listMembers, false),
  Array: (reference) => make(reference, 'ArrayProxy', arrayMembers, true),
};
