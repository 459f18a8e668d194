// Dicts, namespaces, lists, maps and sets in a server: what the language has.
import { assertInteger, assertType } from '../../validate.js';
import { behaviourOf, type Operations, setBehaviour } from '../types.js';

/** A container without a method that clients could reach by mistake. */
export class Dict {
  readonly map: Map<string, unknown>;

  constructor(init: object = {}) {
    assertType(typeof init === 'object' && init !== null, 'init', 'an object', init);
    const entries =
      Symbol.iterator in init ? (init as Iterable<[string, unknown]>) : Object.entries(init);
    this.map = new Map(entries);
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

function assertIndex(index: unknown): asserts index is number {
  assertInteger(index, 'index', 0, 2 ** 32 - 2);
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

const listOperations: Operations<unknown[]> = {
  ...methodsOf<unknown[]>(Array.prototype, ARRAY_METHODS),
  ...Object.fromEntries(
    RETURNS_ITSELF.map((name) => {
      const method = (Array.prototype as unknown as Record<string, AnyMethod>)[name]!;
      return [name, (list: unknown[], args: never[]) => void method.apply(list, args)];
    }),
  ),
  get: (list: unknown[], [index]: [number]) => list[index],
  set(list: unknown[], [index, value]: [number, unknown]): void {
    assertIndex(index);
    list[index] = value;
  },
  has: (list: unknown[], [index]: [number]) => Object.hasOwn(list, index),
  lookUp: (list: unknown[], [index]: [number]) => [Object.hasOwn(list, index), list[index]],
  delete: (list: unknown[], [index]: [number]) => Reflect.deleteProperty(list, index),
  keys: (list: unknown[]) => Object.keys(list),
  length: (list: unknown[]) => list.length,
  setLength: (list: unknown[], [length]: [number]) => void (list.length = length),
  extend(list: unknown[], [values]: [unknown[]]): void {
    // A spread would be as many arguments.
    for (const value of values) list.push(value);
  },
  replace(list: unknown[], [values]: [unknown[]]): void {
    list.length = 0;
    for (const value of values) list.push(value);
  },
  getValue: (list: unknown[]) => [...list],
};

const mapOperations: Operations<Map<unknown, unknown>> = {
  ...methodsOf<Map<unknown, unknown>>(Map.prototype, ['get', 'has', 'delete', 'clear']),
  set: (map: Map<unknown, unknown>, [key, value]: [unknown, unknown]) => void map.set(key, value),
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

  constructor(elements: Iterable<unknown> = []) {
    this.elements = [...elements];
  }
}

export class ManagedMap extends Map<unknown, unknown> {}

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
      (referent: T, args, caller) => operation(innerOf(referent), args, caller),
    ]),
  );
}

// The first that fits counts.
setBehaviour(Namespace, behaviourOf('Namespace', dictOperations));
setBehaviour(Dict, behaviourOf('dict', dictOperations));
setBehaviour(
  List,
  behaviourOf(
    'list',
    inside(listOperations, ({ elements }: List) => elements),
  ),
);
setBehaviour(ManagedMap, behaviourOf('map', mapOperations));
setBehaviour(ManagedSet, behaviourOf('set', setOperations));
setBehaviour(
  RemoteIterator,
  behaviourOf(
    'Iterator',
    inside(iteratorOperations, ({ iterator }: RemoteIterator) => iterator),
  ),
);
