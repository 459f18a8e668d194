// Functions that the pools of a server run. A function is never sent: what is sent is its name, and
// the server calls what it has under that name itself.
import { ProcessError } from '../common/errors.js';
import { assertFunction, assertString } from '../common/validate.js';
import { rememberCode } from '../fork/known-code.js';

export type AnyFunction = (...args: never[]) => unknown;
export type Functions = ReadonlyMap<string, AnyFunction>;

/** By class of managers. */
const functions = new WeakMap<object, Map<string, AnyFunction>>();
/** Whatever the class. */
const names = new WeakMap<AnyFunction, Set<string>>();

export function registerFunction(Class: object, name: string, fn: AnyFunction): void {
  assertString(name, 'name');
  assertFunction(fn, 'fn');
  let own = functions.get(Class);
  if (own === undefined) functions.set(Class, (own = new Map<string, AnyFunction>()));
  own.set(name, fn);
  rememberCode(fn);
  names.set(fn, (names.get(fn) ?? new Set<string>()).add(name));
}

/** The functions of a class and of the classes that it extends. */
export function functionsOf(Class: object): Functions {
  const parent = Reflect.getPrototypeOf(Class);
  const inherited = parent === null ? [] : functionsOf(parent);
  return new Map([...inherited, ...(functions.get(Class) ?? [])]);
}

/** @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE` if no class of managers has it */
export function assertRegistered(fn: AnyFunction | string): void {
  if (typeof fn === 'string') return;
  assertFunction(fn, 'fn');
  if (names.has(fn)) return;
  throw new ProcessError(
    'ERR_TRUEFORK_NOT_CLONABLE',
    `the server of a manager runs only functions that it knows, and none is ever sent to it: call ` +
      `registerFunction() with ${fn.name || 'this one'} before the manager starts, or use a Pool of this process`,
  );
}

function findName(fn: AnyFunction, Class: object | undefined): string | undefined {
  if (Class === undefined) {
    const [first, second] = names.get(fn) ?? [];
    return second === undefined ? first : undefined;
  }
  for (const [name, each] of functionsOf(Class)) if (each === fn) return name;
  return undefined;
}

/**
 * The name by which to ask a server for a function.
 *
 * @param Class of its managers; undefined if that is not known: then the function must have one
 *   name only
 * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE`, `ERR_TRUEFORK_NOT_EXPOSED`
 */
export function nameOf(fn: AnyFunction | string, Class: object | undefined): string {
  assertRegistered(fn);
  if (typeof fn === 'string') return fn;
  const name = findName(fn, Class);
  if (name !== undefined) return name;
  throw new ProcessError(
    'ERR_TRUEFORK_NOT_EXPOSED',
    `${fn.name || 'the function'} is not registered with the class of this manager: call its registerFunction() ` +
      'before the manager starts, or say the name that its server has for it',
  );
}

/** The functions of the server whose object is called now. */
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
