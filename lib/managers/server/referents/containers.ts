// Dicts, namespaces, lists, maps and sets in a server: what the language has.
import { assertInteger, assertIterable, assertType } from '../../../common/validate.js';
import { behaviourOf, type Operations, setBehaviour } from '../types.js';

function entriesOf<Key>(init: unknown): [Key, unknown][] {
  assertIterable(init, 'init');
  const entries = [...init];
  for (const entry of entries) assertType(Array.isArray(entry), 'init', 'of [key, value]', entry);
  return entries as [Key, unknown][];
}

/** A container without a method that clients could reach by mistake. */
export class Dict {
  readonly map: Map<string, unknown>;

  constructor(init: object = {}) {
    assertType(typeof init === 'object' && init !== null, 'init', 'an object', init);
    const isIterable = Symbol.iterator in init;
    this.map = new Map(isIterable ? entriesOf<string>(init) : Object.entries(init));
    for (const key of this.map.keys()) assertType(typeof key === 'string', 'key', 'a string', key);
  }
}

export class Namespace extends Dict {}

type Values = Record<string, unknown>;

const dictOperations: Operations<Dict> = {
  get: ({ map }: Dict, [key]: [unknown]) => map.get(String(key)),
  set: ({ map }: Dict, [key, value]: [unknown, unknown]) => void map.set(String(key), value),
  has: ({ map }: Dict, [key]: [unknown]) => map.has(String(key)),
  delete: ({ map }: Dict, [key]: [unknown]) => map.delete(String(key)),
  /** `[whether it is there, the value]` */
  lookUp: ({ map }: Dict, [key]: [unknown]) => [map.has(String(key)), map.get(String(key))],
  keys: ({ map }: Dict) => [...map.keys()],
  values: ({ map }: Dict) => [...map.values()],
  entries: ({ map }: Dict) => [...map],
  size: ({ map }: Dict) => map.size,
  clear: ({ map }: Dict) => map.clear(),
  update({ map }: Dict, [values]: [Values]): void {
    assertType(typeof values === 'object' && values !== null, 'values', 'an object', values);
    for (const [key, value] of Object.entries(values)) map.set(key, value);
  },
  setDefault({ map }: Dict, [key, value]: [unknown, unknown]): unknown {
    if (!map.has(String(key))) map.set(String(key), value);
    return map.get(String(key));
  },
  pop({ map }: Dict, [key, otherwise]: [unknown, unknown]): unknown {
    if (!map.has(String(key))) return otherwise;
    const value = map.get(String(key));
    map.delete(String(key));
    return value;
  },
  popItem({ map }: Dict): [string, unknown] | undefined {
    const last = [...map].at(-1);
    if (last !== undefined) map.delete(last[0]);
    return last;
  },
  getValue: ({ map }: Dict) => Object.fromEntries(map),
};

/**
 * A list is lengthened by so much at a time: one message must not make one that takes minutes to go
 * through.
 */
const MAX_GAP = 1_000_000;
const MAX_LENGTH = 2 ** 32 - 1;

function longestFrom({ length }: readonly unknown[]): number {
  return Math.min(length + MAX_GAP, MAX_LENGTH);
}

/** Methods of arrays that change one, or say something of it, and call nothing. */
const ARRAY_METHODS = [
  'at',
  'concat',
  'copyWithin',
  'fill',
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
] as const;

type AnyMethod = (this: unknown, ...args: never[]) => unknown;
type AnyOperation<T> = (referent: T, args: never[]) => unknown;

/** Operations that are methods of a class of the language. */
function methodsOf<T>(
  prototype: object,
  names: readonly string[],
): Record<string, AnyOperation<T>> {
  return Object.fromEntries(
    names.map((name) => {
      const method = (prototype as Record<string, AnyMethod>)[name]!;
      return [name, (referent: T, args: never[]) => method.apply(referent, args)];
    }),
  );
}

/** They return the array itself: a client has it. */
const RETURNS_ITSELF = ['copyWithin', 'fill', 'reverse', 'sort'];

const elementOperations: Operations<unknown[]> = {
  ...methodsOf<unknown[]>(Array.prototype, ARRAY_METHODS),
  ...Object.fromEntries(
    RETURNS_ITSELF.map((name) => {
      const method = (Array.prototype as unknown as Record<string, AnyMethod>)[name]!;
      return [name, (list: unknown[], args: never[]) => void method.apply(list, args)];
    }),
  ),
  get: (list: unknown[], [index]: [number]) => list[index],
  set(list: unknown[], [index, value]: [number, unknown]): void {
    assertInteger(index, 'index', 0, longestFrom(list) - 1);
    list[index] = value;
  },
  has: (list: unknown[], [index]: [number]) => Object.hasOwn(list, index),
  lookUp: (list: unknown[], [index]: [number]) => [Object.hasOwn(list, index), list[index]],
  delete: (list: unknown[], [index]: [number]) => Reflect.deleteProperty(list, index),
  keys: (list: unknown[]) => Object.keys(list),
  length: (list: unknown[]) => list.length,
  setLength(list: unknown[], [length]: [number]): void {
    assertInteger(length, 'length', 0, longestFrom(list));
    list.length = length;
  },
  extend(list: unknown[], [values]: [unknown[]]): void {
    // A spread would be as many arguments.
    for (const value of values) list.push(value);
  },
  getValue: (list: unknown[]) => [...list],
};

const mapOperations: Operations<Map<unknown, unknown>> = {
  ...methodsOf<Map<unknown, unknown>>(Map.prototype, ['get', 'has', 'delete', 'clear']),
  set: (map: Map<unknown, unknown>, [key, value]: [unknown, unknown]) => void map.set(key, value),
  lookUp: (map: Map<unknown, unknown>, [key]: [unknown]) => [map.has(key), map.get(key)],
  getOrInsert(map: Map<unknown, unknown>, [key, value]: [unknown, unknown]): unknown {
    if (!map.has(key)) map.set(key, value);
    return map.get(key);
  },
  size: (map: Map<unknown, unknown>) => map.size,
  getValue: (map: Map<unknown, unknown>) => new Map(map),
};

const setOperations: Operations<Set<unknown>> = {
  ...methodsOf<Set<unknown>>(Set.prototype, ['has', 'delete', 'clear']),
  add: (set: Set<unknown>, [value]: [unknown]) => void set.add(value),
  size: (set: Set<unknown>) => set.size,
  getValue: (set: Set<unknown>) => new Set(set),
};

const iteratorOperations: Operations<Iterator<unknown>> = {
  next: (iterator: Iterator<unknown>, [value]: [unknown]) => iterator.next(value),
  return: (iterator: Iterator<unknown>, [value]: [unknown]) =>
    iterator.return?.(value) ?? { done: true, value },
  throw(iterator: Iterator<unknown>, [error]: [unknown]): unknown {
    if (iterator.throw === undefined) throw error;
    return iterator.throw(error);
  },
};

/** Not an array itself, so that arrays are values. */
export class List {
  readonly elements: unknown[];
  /** Goes up with each change of what was there before: with all that do more than append. */
  version = 0;

  constructor(elements: Iterable<unknown> = []) {
    this.elements = [...elements];
  }

  /**
   * Brings the elements that were there in a certain version into another order. Elements that were
   * appended meanwhile stay behind them.
   *
   * @returns whether it was still that version
   */
  permute(version: number, order: unknown): boolean {
    const { elements } = this;
    if (version !== this.version) return false;
    assertPermutation(order, elements.length);
    const before = elements.slice(0, order.length);
    for (const [i, from] of order.entries()) elements[i] = before[from];
    return true;
  }
}

/** @throws TypeError `ERR_INVALID_ARG_TYPE` */
function assertPermutation(order: unknown, most: number): asserts order is Uint32Array {
  const isOrder = order instanceof Uint32Array && order.length <= most;
  const isRight = isOrder && new Set(order).size === order.length;
  const isInside = isRight && order.every((from) => from < order.length);
  assertType(isInside, 'order', 'each index once', order);
}

export class ManagedMap extends Map<unknown, unknown> {
  constructor(init: unknown = []) {
    super(entriesOf(init));
  }
}

export class ManagedSet extends Set<unknown> {}

/** An iterator, whatever it is of. */
export class RemoteIterator {
  readonly iterator: Iterator<unknown>;

  constructor(source: Iterator<unknown> | Iterable<unknown>) {
    const isIterable = Symbol.iterator in source;
    this.iterator = isIterable ? source[Symbol.iterator]() : source;
  }
}

/** The operations of what is inside of a referent. */
function inside<T, Inner>(
  operations: Operations<Inner>,
  innerOf: (referent: T) => Inner,
): Operations<T> {
  return Object.fromEntries(
    Object.entries(operations).map(([name, operation]) => [
      name,
      (referent: T, args, call) => operation(innerOf(referent), args, call),
    ]),
  );
}

/** Methods that leave the existing elements as they are. */
const KEEPS_VERSION = new Set([
  'at',
  'concat',
  'extend',
  'get',
  'getValue',
  'has',
  'includes',
  'indexOf',
  'join',
  'keys',
  'lastIndexOf',
  'length',
  'lookUp',
  'push',
  'slice',
]);

function listOperations(): Operations<List> {
  const operations = inside(elementOperations, ({ elements }: List) => elements);
  for (const [name, operation] of Object.entries(operations)) {
    if (KEEPS_VERSION.has(name)) continue;
    operations[name] = (list, args, call) => {
      list.version++;
      return operation(list, args, call);
    };
  }
  operations['readVersion'] = ({ version, elements }) => [version, [...elements]];
  operations['permute'] = (list, [version, order]) => {
    const isDone = list.permute(version, order);
    if (isDone) list.version++;
    return isDone;
  };
  return operations;
}

// The first that fits counts.
setBehaviour(Namespace, behaviourOf('Namespace', dictOperations));
setBehaviour(Dict, behaviourOf('dict', dictOperations));
setBehaviour(List, behaviourOf('list', listOperations()));
setBehaviour(ManagedMap, behaviourOf('map', mapOperations));
setBehaviour(ManagedSet, behaviourOf('set', setOperations));
setBehaviour(
  RemoteIterator,
  behaviourOf(
    'Iterator',
    inside(iteratorOperations, ({ iterator }: RemoteIterator) => iterator),
  ),
);
