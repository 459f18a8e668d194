// The key of a process: bytes that do not show up where they should not.
import { inspect } from 'node:util';

const keys = new WeakSet<Uint8Array>();

// A class of its own in name only: a Buffer is not made with `new`.
const prototype = Object.create(Buffer.prototype, {
  [inspect.custom]: { value: () => '<AuthenticationString>' },
  toJSON: { value: () => '<AuthenticationString>' },
}) as Buffer;

/** A copy of `bytes`, which is shown nowhere, and cannot be sent by mistake. */
export function makeAuthkey(bytes: Uint8Array): Buffer {
  // Not from the memory that small Buffers have in common.
  const key = Buffer.alloc(bytes.length);
  key.set(bytes);
  Object.setPrototypeOf(key, prototype);
  keys.add(key);
  return key;
}

export function isAuthkey(value: object): boolean {
  return keys.has(value as Uint8Array);
}
