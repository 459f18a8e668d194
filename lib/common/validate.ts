// Arguments, checked where they come in, with errors like Node's own.
import { inspect } from 'node:util';

/** As inspect(), and also of what cannot be shown: objects may throw when they are looked at. */
export function shown(value: unknown): string {
  try {
    return inspect(value, { depth: 0 });
  } catch {
    return typeof value;
  }
}

export function invalidType(name: string, expected: string, value: unknown): TypeError {
  const error = new TypeError(
    `The "${name}" argument must be ${expected}. Received ${shown(value)}`,
  );
  return Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' });
}

/** For methods that are called on something else. */
export function invalidThis(expected: string, value: unknown): TypeError {
  const error = new TypeError(
    `Value of "this" must be of type ${expected}. Received ${shown(value)}`,
  );
  return Object.assign(error, { code: 'ERR_INVALID_THIS' });
}

export function outOfRange(name: string, expected: string, value: unknown): RangeError {
  const error = new RangeError(
    `The value of "${name}" is out of range. It must be ${expected}. Received ${shown(value)}`,
  );
  return Object.assign(error, { code: 'ERR_OUT_OF_RANGE' });
}

/** Throws a TypeError unless `isRight`. */
export function assertType(isRight: boolean, name: string, expected: string, value: unknown): void {
  if (!isRight) throw invalidType(name, expected, value);
}

export function assertInteger(
  value: unknown,
  name: string,
  min: number = Number.MIN_SAFE_INTEGER,
  max: number = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (typeof value !== 'number') throw invalidType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < min || value > max) {
    throw outOfRange(name, `>= ${min} && <= ${max}`, value);
  }
}

export function assertBigInt(
  value: unknown,
  name: string,
  min: bigint,
  max: bigint,
): asserts value is bigint {
  if (typeof value !== 'bigint') throw invalidType(name, 'of type bigint', value);
  if (value < min || value > max) throw outOfRange(name, `>= ${min}n && <= ${max}n`, value);
}

const MAX_INT = 2 ** 31 - 1;

/** A file descriptor, a pid, or anything else that is a C `int`. */
export function assertInt(
  value: unknown,
  name: string,
  min: number = -MAX_INT - 1,
): asserts value is number {
  assertInteger(value, name, min, MAX_INT);
}

export function assertDescriptor(value: unknown, name = 'fd'): asserts value is number {
  assertInt(value, name, 0);
}

/** A combination of the bits of `allowed`, which have those `names`. */
export function assertFlags(
  value: unknown,
  name: string,
  allowed: number,
  names: string,
): asserts value is number {
  assertInt(value, name, 0);
  if ((value & ~allowed) !== 0) throw outOfRange(name, `made of ${names}`, value);
}

export function assertFunction(value: unknown, name: string): void {
  assertType(typeof value === 'function', name, 'of type function', value);
}

export function assertString(value: unknown, name: string): asserts value is string {
  assertType(typeof value === 'string', name, 'of type string', value);
}

export function assertIterable(value: unknown, name: string): asserts value is Iterable<unknown> {
  const { [Symbol.iterator]: iterator } = Object(value) as Partial<Iterable<unknown>>;
  assertType(typeof iterator === 'function', name, 'an iterable', value);
}

/** A string that C can have: one without NUL. */
export function assertCString(value: unknown, name: string): asserts value is string {
  assertString(value, name);
  if (!value.includes('\0')) return;
  const error = new TypeError(
    `The argument '${name}' must be a string without null bytes. Received ${inspect(value)}`,
  );
  throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
}
