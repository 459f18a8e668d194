// The form in which util.inspect(), and so console.log(), shows an object.
import { inspect } from 'node:util';

function asString(this: { toString(): string }): string {
  return this.toString();
}

/**
 * Shows objects of a class by `describe`, which is not among its members: TypeScript cannot name
 * the symbol in a declaration.
 *
 * @param describe called on the object; default: its `toString()`
 */
export function inspectBy<T extends object>(
  Class: { prototype: T },
  describe: (this: T) => string = asString,
): void {
  Object.defineProperty(Class.prototype, inspect.custom, {
    value: describe,
    configurable: true,
    writable: true,
  });
}
