// Options: which there are, and of what types.
import { inspect } from 'node:util';
import { bytesFrom } from './bytes.js';
import { adviceOn, type Hints } from './spelling.js';
import {
  assertFunction,
  assertInteger,
  assertString,
  assertType,
  invalidType,
} from './validate.js';

/** Checks the value of an option, and returns it. */
export type Check<T> = (value: unknown, name: string) => T;

/** A check for each option that `Options` declares, and for no other. */
export type Checks<Options> = {
  readonly [Name in keyof Options]-?: Check<Exclude<Options[Name], undefined>>;
};

function unknownOption(subject: string, name: string, advice: string): TypeError {
  const error = new TypeError(`${subject} has no option ${inspect(name)}: ${advice}`);
  return Object.assign(error, { code: 'ERR_TRUEFORK_UNKNOWN_OPTION' });
}

type Given = Readonly<Record<string, unknown>>;

/** An object literal, also of another realm, or what has been made by `Object.create(null)`. */
function isPlain(object: object): boolean {
  const prototype = Object.getPrototypeOf(object) as object | null;
  if (prototype === null || prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null;
}

/**
 * An instance of a class is taken for options only if it has one of them: a signal, say, has not.
 */
function areOptions(given: unknown, known: readonly string[]): given is Given {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return false;
  return isPlain(given) || known.some((name) => name in given);
}

/** Checks options, and returns the values of those that are not undefined. */
export type Reader<Options> = (given: unknown) => Options;

/**
 * Makes a function that reads options: it checks that they are an object that has no others, and
 * returns the values of those that are not undefined, checked, each of them read once.
 *
 * @param subject the function or class that has them
 * @param expected what to say instead of "an object" to somebody who gives something else
 */
export function optionsReader<Options extends object>(
  subject: string,
  checks: Checks<Options>,
  { expected = 'an object', hints = {} }: { expected?: string; hints?: Hints } = {},
): Reader<Options> {
  const byName: Record<string, Check<unknown> | undefined> = Object.assign(
    Object.create(null),
    checks,
  );
  const known = Object.keys(checks);
  return (given) => {
    if (!areOptions(given, known)) throw invalidType('options', expected, given);
    for (const name in given) {
      // Properties that a program has added to all objects are not meant for us.
      const isMeant = given[name] !== undefined && Object.hasOwn(given, name);
      if (byName[name] !== undefined || !isMeant) continue;
      throw unknownOption(subject, name, adviceOn(name, known, hints));
    }
    const values: Record<string, unknown> = {};
    for (const name of known) {
      const value = given[name];
      if (value !== undefined) values[name] = byName[name]!(value, name);
    }
    return values as Options;
  };
}

/** For the types of options, which functions have `name` and `length` in common with. */
export interface NoFunction {
  readonly call?: never;
}

/** Refuses arguments of a function that is not there. */
export function assertUsed(
  name: string,
  args: readonly unknown[] | undefined,
  user: string,
  fn: unknown,
): void {
  if (fn !== undefined || args === undefined || args.length === 0) return;
  const error = new TypeError(`The "${name}" are the arguments of a "${user}", and there is none`);
  throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
}

/** Refuses arguments that nobody reads: `advice` says how to say the same. */
export function refuseSurplus(surplus: readonly unknown[], advice: string): void {
  if (surplus.every((each) => each === undefined)) return;
  const error = new TypeError(`There are too many arguments: ${advice}`);
  throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
}

/** For what is checked by its user. */
export function anyOption(value: unknown): never {
  return value as never;
}

export function booleanOption(value: unknown, name: string): boolean {
  assertType(typeof value === 'boolean', name, 'of type boolean', value);
  return value as boolean;
}

export function stringOption(value: unknown, name: string): string {
  assertString(value, name);
  return value;
}

/** Whatever its arguments are. */
export function functionOption(value: unknown, name: string): never {
  assertFunction(value, name);
  return value as never;
}

/** Whatever its elements are. */
export function arrayOption(value: unknown, name: string): never {
  assertType(Array.isArray(value), name, 'an array', value);
  return value as never;
}

export function bytesOption(value: unknown, name: string): Uint8Array {
  return bytesFrom(value, name);
}

export function integerOption(min?: number, max?: number): Check<number> {
  return (value, name) => {
    assertInteger(value, name, min, max);
    return value;
  };
}

export function timeoutOption(value: unknown, name: string): number {
  const isNumber = typeof value === 'number' && !Number.isNaN(value);
  assertType(isNumber, name, 'a number of milliseconds', value);
  return value as number;
}

export function signalOption(value: unknown, name: string): AbortSignal {
  assertType(value instanceof AbortSignal, name, 'an AbortSignal', value);
  return value as AbortSignal;
}
