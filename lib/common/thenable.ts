// Promises and the like, whoever has made them.
import { precompileForChildren } from './precompiled.js';

/** Whether there is something to wait for: an object or function with a method `then`. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
  return isObject && typeof (value as { then?: unknown }).then === 'function';
}

precompileForChildren(isThenable);
