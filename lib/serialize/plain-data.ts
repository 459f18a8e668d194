// Small plain data, which JSON carries several times as fast as a structured clone does, and
// no differently: what JSON would change is not plain here.
import { types } from 'node:util';

/** To look at more takes longer than it is worth. */
const MAX_OBJECTS = 32;
const MAX_ARRAY_LENGTH = 256;

/** Whether JSON gives back the same. */
function isPlainNumber(value: number): boolean {
  return Number.isFinite(value) && !Object.is(value, -0);
}

function isPlainObject(object: object): boolean {
  // In this order: a proxy may have to ask another process what is in it.
  if (types.isProxy(object) || 'toJSON' in object) return false;
  const prototype: unknown = Object.getPrototypeOf(object);
  if (!Array.isArray(object)) return prototype === Object.prototype;
  if (prototype !== Array.prototype || object.length > MAX_ARRAY_LENGTH) return false;
  // Without holes, and without other properties, which come last.
  const keys = Object.keys(object);
  return keys.length === object.length && (keys.at(-1) ?? '-1') === `${keys.length - 1}`;
}

/**
 * Whether `root` consists of plain objects, arrays, strings, numbers, booleans and null, is small,
 * and has no object in it twice.
 */
export function isPlainData(root: object): boolean {
  const objects = [root];
  for (const object of objects) {
    if (!isPlainObject(object)) return false;
    for (const value of Object.values(object) as unknown[]) {
      if (typeof value === 'string' || typeof value === 'boolean' || value === null) continue;
      if (typeof value === 'number' && isPlainNumber(value)) continue;
      if (typeof value !== 'object' || objects.length === MAX_OBJECTS) return false;
      if (objects.includes(value)) return false;
      objects.push(value);
    }
  }
  return true;
}
