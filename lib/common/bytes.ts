// Bytes that callers give, as they are: what a subclass, a getter or a property of an array says of
// its length need not be true, and loops and native code go by it.
import { Buffer } from 'node:buffer'; // the global is a getter, which costs each message
import { types } from 'node:util';
import { assertType } from './validate.js';

type TypedArray = NodeJS.TypedArray;
type TypedArrayConstructor = new (
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
) => TypedArray;

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;

/** Reads from the array itself, whatever hides the property. */
function reader(name: string | symbol): (array: TypedArray) => unknown {
  const { get } = Object.getOwnPropertyDescriptor(typedArray, name)!;
  return Function.prototype.call.bind(get!) as (array: TypedArray) => unknown;
}

const bufferOf = reader('buffer') as (array: TypedArray) => ArrayBufferLike;
const byteOffsetOf = reader('byteOffset') as (array: TypedArray) => number;
const lengthOf = reader('length') as (array: TypedArray) => number;
const classNameOf = reader(Symbol.toStringTag) as (array: TypedArray) => keyof typeof globalThis;

const ofBuffers: unknown = Buffer.prototype;

const PROTOTYPES = new Set<unknown>([
  Int8Array.prototype,
  Uint8Array.prototype,
  Uint8ClampedArray.prototype,
  Int16Array.prototype,
  Uint16Array.prototype,
  Int32Array.prototype,
  Uint32Array.prototype,
  Float32Array.prototype,
  Float64Array.prototype,
  BigInt64Array.prototype,
  BigUint64Array.prototype,
]);

/** Whether its properties are those that every such array has. */
function isPlain(array: TypedArray): boolean {
  const prototype: unknown = Object.getPrototypeOf(array);
  return (
    (prototype === ofBuffers || PROTOTYPES.has(prototype)) &&
    !Object.hasOwn(array, 'length') &&
    !Object.hasOwn(array, 'byteLength') &&
    !Object.hasOwn(array, 'byteOffset') &&
    !Object.hasOwn(array, 'buffer')
  );
}

/**
 * An array over the same memory, if need be, whose properties tell the truth. A Buffer stays one.
 */
export function plainArray<T extends TypedArray>(array: T): T {
  if (isPlain(array)) return array;
  const length = lengthOf(array);
  // There may be no buffer any more that there could be a view of.
  const buffer = length === 0 ? new ArrayBuffer(0) : bufferOf(array);
  const byteOffset = length === 0 ? 0 : byteOffsetOf(array);
  if (Buffer.isBuffer(array)) return Buffer.from(buffer, byteOffset, length) as never;
  const Class = globalThis[classNameOf(array)] as TypedArrayConstructor;
  return new Class(buffer, byteOffset, length) as T;
}

/** As {@link plainArray}, of an argument. @throws TypeError `ERR_INVALID_ARG_TYPE` */
export function bytesFrom(value: unknown, name: string): Uint8Array {
  assertType(types.isUint8Array(value), name, 'an instance of Buffer or Uint8Array', value);
  return plainArray(value as Uint8Array);
}
