// The key of a process: bytes that do not show up where they should not.
import { inspect } from 'node:util';

/** Memory that keys lie in, each in its own. */
const keys = new WeakSet<ArrayBufferLike>();

/** Stands for a key wherever a value is described. */
export const HIDDEN = '<AuthenticationString>';

// A class of its own in name only: a Buffer is not made with `new`.
const prototype = Object.create(Buffer.prototype, {
  [inspect.custom]: { value: () => HIDDEN },
  toJSON: { value: () => HIDDEN },
}) as Buffer;

/** A copy of `bytes`, which is shown nowhere, and cannot be sent by mistake. */
export function makeAuthkey(bytes: Uint8Array): Buffer<SharedArrayBuffer> {
  // A serializer copies an ArrayBuffer without a question, but has to ask about one that threads
  // can share.
  const key = Buffer.from(new SharedArrayBuffer(bytes.length));
  key.set(bytes);
  Object.setPrototypeOf(key, prototype);
  keys.add(key.buffer);
  return key;
}

/** Whether `memory` is that of a key: whoever has it, or a view of it, has the key. */
export function isKeyMemory(memory: unknown): boolean {
  return keys.has(memory as ArrayBufferLike);
}
