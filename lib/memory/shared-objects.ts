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

/** The parts of an object: its first block stands for it. */
export function sendObject(
  object: object,
  blocks: readonly Block[],
  attachments: Attachments,
): PlaceParts[] {
  const places = blocks.map((block) => sendBlock(block, attachments));
  note(blocks[0]!, object);
  return places;
}

/**
 * The object of that class over those places.
 *
 * @param lengths of the blocks that `make` allocates, in their order
 * @param make makes it where this process does not have it
 */
export function receiveObject<T extends object>(
  Class: abstract new (...args: never[]) => T,
  places: readonly PlaceParts[],
  lengths: readonly number[],
  delivered: Delivered,
  make: () => T,
): T {
  const [first] = places;
  const inBuffer = known.get(delivered.memory(first!.memory));
  const found = inBuffer?.get(first!.byteOffset)?.deref();
  if (found instanceof Class) return found;
  const blocks = lengths.map((length, i) => receiveBlock(places[i]!, length, delivered));
  const object = makeOver(blocks, make);
  note(blocks[0]!, object);
  return object;
}
