// Objects over shared memory that are sent: what arrives is over the same memory, and where this
// process has sent or received such an object before it is that one.
import type { Delivered, Attachments } from '../serialize/shareables.js';
import { type Block, makeOver, type PlaceParts, receiveBlock, sendBlock } from './heap.js';

/** By the mapping and the offset. */
const known = new WeakMap<ArrayBuffer, Map<number, WeakRef<object>>>();

function note({ buffer, byteOffset }: Block, object: object): void {
  let inBuffer = known.get(buffer);
  if (inBuffer === undefined) known.set(buffer, (inBuffer = new Map()));
  inBuffer.set(byteOffset, new WeakRef(object));
}

/** The place of an object: that of its block. */
export function sendObject(object: object, block: Block, attachments: Attachments): PlaceParts {
  const place = sendBlock(block, attachments);
  note(block, object);
  return place;
}

/**
 * The object of that class at that place.
 *
 * @param byteLength of its block
 * @param make makes it where this process does not have it
 */
export function receiveObject<T extends object>(
  Class: abstract new (...args: never[]) => T,
  place: PlaceParts,
  byteLength: number,
  delivered: Delivered,
  make: (block: Block) => T,
): T {
  const inBuffer = known.get(delivered.memory(place.memory));
  const found = inBuffer?.get(place.byteOffset)?.deref();
  if (found instanceof Class) return found;
  const block = receiveBlock(place, byteLength, delivered);
  const object = makeOver(block, make);
  note(block, object);
  return object;
}
