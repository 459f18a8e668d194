// Functions that the pools of a server run. A function is never sent: what is sent is its name, and the server
// calls what it has under that name itself.
import { ProcessError } from '../errors.js';
import { assertFunction, assertString } from '../validate.js';

export type AnyFunction = (...args: never[]) => unknown;
export type Functions = ReadonlyMap<string, AnyFunction>;

/** By class of managers. */
const functions = new WeakMap<object, Map<string, AnyFunction>>();
const names = new WeakMap<AnyFunction, string>();

export function registerFunction(Class: object, name: string, fn: AnyFunction): void {
  assertString(name, 'name');
  assertFunction(fn, 'fn');
  let own = functions.get(Class);
  if (own === undefined) functions.set(Class, (own = new Map<string, AnyFunction>()));
  own.set(name, fn);
  names.set(fn, name);
}

/** Those of a class and of the classes that it extends. */
export function functionsOf(Class: object): Functions {
  const parent = Reflect.getPrototypeOf(Class);
  const inherited = parent === null ? [] : functionsOf(parent);
  return new Map([...inherited, ...(functions.get(Class) ?? [])]);
}

/** What to ask a server for. @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE` */
export function nameOf(fn: AnyFunction | string): string {
  if (typeof fn === 'string') return fn;
  assertFunction(fn, 'fn');
  const name = names.get(fn);
  if (name !== undefined) return name;
  throw new ProcessError(
    'ERR_TRUEFORK_NOT_CLONABLE',
    `the server of a manager runs only functions that it knows, and none is ever sent to it: call ` +
      `registerFunction() with ${fn.name || 'this one'} before the manager starts, or use a Pool of this process`,
  );
}

/** Those of the server that this process is. */
let served: Functions = new Map();

export function serveFunctions(all: Functions): void {
  served = all;
}

/** @throws ProcessError `ERR_TRUEFORK_NOT_EXPOSED` */
export function servedFunction(name: unknown): AnyFunction {
  const fn = served.get(name as string);
  if (fn !== undefined) return fn;
  throw new ProcessError(
    'ERR_TRUEFORK_NOT_EXPOSED',
    `the manager has no function '${String(name)}': it must be registered before the manager starts`,
  );
}
