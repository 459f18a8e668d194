// Methods that are called on something else than an object of their class: `const { put } = queue`,
// a JavaScript Proxy, `Object.create(Lock.prototype)`. The language has an error for that which has
// no code and names a private field.
import { invalidThis } from './validate.js';

type Method = (this: unknown, ...args: unknown[]) => unknown;

/**
 * Whether an object was made by the constructor of a class, and of those that extend it: `#field in
 * object`.
 */
type Test = (object: object) => boolean;

interface Class {
  readonly name: string;
  readonly prototype: object;
}

/** By prototype. */
const tests = new Map<object, Test>();

function passes(isOne: Test, value: unknown): boolean {
  return typeof value === 'object' && value !== null && isOne(value);
}

/**
 * Whether a class whose receivers are checked has made `value`. Of other classes all is taken for
 * theirs.
 */
export function isMadeBy({ prototype }: Pick<Class, 'prototype'>, value: unknown): boolean {
  const isOne = tests.get(prototype);
  return isOne === undefined || passes(isOne, value);
}

function isAsync(method: object): boolean {
  return Object.prototype.toString.call(method) === '[object AsyncFunction]';
}

/** V8 makes it one with the method where that is called often, so that it costs nothing there. */
function guarded(method: Method, expected: string, isOne: Test): Method {
  const isRejected = isAsync(method);
  const guard: Method = function (this: unknown, ...args) {
    if (passes(isOne, this)) return method.apply(this, args);
    const error = invalidThis(expected, this);
    if (isRejected) return Promise.reject(error);
    throw error;
  };
  for (const key of ['name', 'length']) {
    Object.defineProperty(guard, key, Object.getOwnPropertyDescriptor(method, key)!);
  }
  return guard;
}

/**
 * Has all methods and accessors of a class throw a TypeError `ERR_INVALID_THIS` for what is none of
 * its objects.
 */
export function checkReceivers(Class: Class, isOne: Test): void {
  const { name: expected, prototype } = Class;
  tests.set(prototype, isOne);
  for (const name of Reflect.ownKeys(prototype)) {
    const property = Object.getOwnPropertyDescriptor(prototype, name)!;
    if (name === 'constructor' || property.configurable === false) continue;
    for (const key of ['value', 'get', 'set'] as const) {
      const method = property[key] as unknown;
      if (typeof method === 'function') property[key] = guarded(method as Method, expected, isOne);
    }
    Object.defineProperty(prototype, name, property);
  }
}
