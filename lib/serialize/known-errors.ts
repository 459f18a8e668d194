// The classes of errors that every process has, by name.
import { types } from 'node:util';
import {
  AbortError,
  AuthenticationError,
  BrokenBarrierError,
  BrokenPoolError,
  BufferTooShort,
  Empty,
  EOFError,
  Full,
  ProcessError,
  TimeoutError,
  WorkerLostError,
} from '../common/errors.js';
import { process } from '../common/originals.js';

const BUILT_IN = [
  AggregateError,
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
];
const OURS = [
  AbortError,
  AuthenticationError,
  BrokenBarrierError,
  BrokenPoolError,
  BufferTooShort,
  Empty,
  EOFError,
  Full,
  ProcessError,
  TimeoutError,
  WorkerLostError,
];
const ASSERTION = 'AssertionError';

const byName = new Map<string, object>(
  [...BUILT_IN, ...OURS, DOMException].map(({ name, prototype }) => [name, prototype]),
);
const byPrototype = new Map([...byName].map(([name, prototype]) => [prototype, name]));
const builtInNames = new Set<unknown>(BUILT_IN.map(({ name }) => name));

/** The value of a property that is no accessor; what programs have put there is not called. */
export function dataOf(object: object, key: string): unknown {
  return Reflect.getOwnPropertyDescriptor(object, key)?.value;
}

/** The prototypes of an object, the nearest first. */
export function* prototypesOf(object: object): Iterable<object> {
  let prototype = Reflect.getPrototypeOf(object);
  while (prototype !== null && !types.isProxy(prototype)) {
    yield prototype;
    prototype = Reflect.getPrototypeOf(prototype);
  }
}

/** Not imported: few programs need it. */
function assertionPrototype(): object {
  return process.getBuiltinModule('node:assert').AssertionError.prototype;
}

/**
 * The name of the class whose prototype this is; undefined if it is not one that every process has.
 */
export function knownClassOf(prototype: object): string | undefined {
  const name = byPrototype.get(prototype);
  if (name !== undefined) return name;
  const ofAssertion = (dataOf(prototype, 'constructor') as { name?: unknown } | undefined)?.name;
  return ofAssertion === ASSERTION && prototype === assertionPrototype() ? ASSERTION : undefined;
}

export function prototypeOfKnown(name: unknown): object | undefined {
  return name === ASSERTION ? assertionPrototype() : byName.get(name as string);
}

/**
 * The nearest class that every process has. Errors of another context have classes of their own of
 * the same names.
 */
export function nearestKnownClass(error: object): string {
  const prototypes = [...prototypesOf(error)];
  for (const prototype of prototypes) {
    const name = knownClassOf(prototype);
    if (name !== undefined) return name;
  }
  const names = prototypes.map((prototype) => dataOf(prototype, 'name'));
  return (names.find((name) => builtInNames.has(name)) as string | undefined) ?? Error.name;
}
