// Small pieces of the memory that a process shares with the children it forks: many of
// them to a mapping, for the kernel allows a process some 65,000.
import { PerProcess } from '../common/per-process.js';
import { assertInteger, assertType, outOfRange } from '../common/validate.js';
import { registerAtFork } from '../fork/at-fork.js';
import { mapShareable, munmapPrivate } from '../posix/memory.js';
import type { Delivered, Attachments } from '../serialize/shareables.js';

/** In bytes. Of a mapping only the pages that are used take memory. */
const ARENA_BYTES = 2 ** 18;
/** The largest block that comes from an arena, in bytes; a larger one has a mapping of its own. */
const MAX_SMALL_BYTES = ARENA_BYTES / 8;
const WORD = 8;
const CACHE_LINE = 64;

/** Forks of this process and its ancestors, those included that failed. */
let forks = 0;

function roundUp(size: number, unit: number): number {
  return Math.ceil(size / unit) * unit;
}

/**
 * The length of the space for `size` bytes. Few lengths, four to each power of two, because
 * a free space serves its own length alone: that makes both ways short, and what it wastes
 * is at most a fifth, or less than a cache line. Neighbours are never put together; an
 * arena that is empty goes back to the kernel as a whole.
 */
function lengthFor(size: number): number {
  if (size <= CACHE_LINE) return Math.max(WORD, roundUp(size, WORD));
  const quarter = 2 ** (29 - Math.clz32(size - 1));
  return roundUp(size, Math.max(CACHE_LINE, quarter));
}

/** A mapping, handed out from its beginning to its end, and then where it was given back. */
class Arena {
  readonly buffer: ArrayBuffer = mapShareable(ARENA_BYTES);
  /** The end of the used part: bytes behind it have never been used. */
  #end = 0;

  /** Space of that length that nobody has had, and its offset; undefined if none is left. */
  takeNew(length: number): number | undefined {
    const offset = roundUp(this.#end, length < CACHE_LINE ? WORD : CACHE_LINE);
    if (offset + length > ARENA_BYTES) return undefined;
    this.#end = offset + length;
    return offset;
  }
}

/** A mapping that is unmapped when none of its blocks is in use any more. */
interface Counted {
  readonly buffer: ArrayBuffer;
  /** How many blocks are in use. */
  live: number;
}

/** The arenas of this process. */
const counted = new WeakMap<ArrayBuffer, Counted>();

/** An arena whose blocks are given back one by one. */
class BlockArena extends Arena implements Counted {
  live = 0;
  /** Offsets of free spaces, by length. */
  readonly free = new Map<number, number[]>();
}

/** Where the next blocks come from. */
class Heap {
  #current: BlockArena | undefined;
  /** By length: the arenas that have free space of it. */
  readonly #withFree = new Map<number, Set<BlockArena>>();

  allocate(byteLength: number): Block {
    const length = lengthFor(byteLength);
    const [arena, offset] = this.#takeFree(length) ?? this.#takeNew(length);
    arena.live++;
    return new SmallBlock(arena, offset, byteLength);
  }

  /** @param isReusable whether nobody else may know the space */
  free(arena: BlockArena, offset: number, byteLength: number, isReusable: boolean): void {
    if (--arena.live === 0) this.unmap(arena);
    else if (isReusable) this.#addFree(arena, offset, lengthFor(byteLength));
  }

  #takeNew(length: number): [BlockArena, number] {
    let offset = this.#current?.takeNew(length);
    if (offset === undefined) {
      this.#current = new BlockArena();
      counted.set(this.#current.buffer, this.#current);
      offset = this.#current.takeNew(length)!;
    }
    return [this.#current!, offset];
  }

  #takeFree(length: number): [BlockArena, number] | undefined {
    const arenas = this.#withFree.get(length);
    if (arenas === undefined) return undefined;
    for (const arena of arenas) {
      const offsets = arena.free.get(length)!;
      const offset = offsets.pop()!;
      if (offsets.length === 0) arenas.delete(arena);
      new Uint8Array(arena.buffer, offset, length).fill(0);
      return [arena, offset];
    }
    return undefined;
  }

  #addFree(arena: BlockArena, offset: number, length: number): void {
    const offsets = arena.free.get(length);
    if (offsets === undefined) arena.free.set(length, [offset]);
    else offsets.push(offset);
    const arenas = this.#withFree.get(length);
    if (arenas === undefined) this.#withFree.set(length, new Set([arena]));
    else arenas.add(arena);
  }

  unmap(arena: BlockArena): void {
    if (this.#current === arena) this.#current = undefined;
    for (const length of arena.free.keys()) this.#withFree.get(length)?.delete(arena);
    munmapPrivate(arena.buffer);
  }
}

/** A piece of shared memory. It has one owner, in each process that has it. */
export interface Block {
  /** The whole mapping that it is in. */
  readonly buffer: ArrayBuffer;
  /** A multiple of 8; of 64 where it has 64 bytes or more. */
  readonly byteOffset: number;
  /** The size that was asked for, in bytes. */
  readonly byteLength: number;
  /** Gives it back, in this process. The owner does not touch it any more. */
  free(): void;
  /** Another process may have it from here on. */
  share(): void;
  /** Whether it was there before, and may hold something. */
  readonly isReceived: boolean;
}

class SmallBlock implements Block {
  readonly isReceived = false;
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly #arena: BlockArena;
  readonly #forks = forks;
  #isShared = false;
  #isFree = false;

  constructor(arena: BlockArena, byteOffset: number, byteLength: number) {
    this.#arena = arena;
    this.byteOffset = byteOffset;
    this.byteLength = byteLength;
  }

  get buffer(): ArrayBuffer {
    return this.#arena.buffer;
  }

  share(): void {
    this.#isShared = true;
  }

  free(): void {
    if (this.#isFree) return;
    this.#isFree = true;
    // A child, or another process, that has it may go on with it as long as it likes.
    const isReusable = this.#forks === forks && !this.#isShared;
    heap.value.free(this.#arena, this.byteOffset, this.byteLength, isReusable);
  }
}

/**
 * A block that has a mapping of its own, or was made by another process, or is in use here a second
 * time.
 */
class CountedBlock implements Block {
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly isReceived: boolean;
  readonly #mapping: Counted;
  #isFree = false;

  constructor(mapping: Counted, byteOffset: number, byteLength: number, isReceived: boolean) {
    this.#mapping = mapping;
    this.isReceived = isReceived;
    this.byteOffset = byteOffset;
    this.byteLength = byteLength;
    mapping.live++;
  }

  get buffer(): ArrayBuffer {
    return this.#mapping.buffer;
  }

  share(): void {}

  free(): void {
    if (this.#isFree) return;
    this.#isFree = true;
    if (--this.#mapping.live > 0) return;
    if (this.#mapping instanceof BlockArena) heap.value.unmap(this.#mapping);
    else munmapPrivate(this.buffer);
  }
}

function largeBlock(byteLength: number): Block {
  const mapping: Counted = { buffer: mapShareable(byteLength), live: 0 };
  counted.set(mapping.buffer, mapping);
  return new CountedBlock(mapping, 0, byteLength, false);
}

/** Free blocks in the parent's arenas are the parent's to use. */
const heap = new PerProcess(() => new Heap());

/**
 * Shared memory, all zeros, for an owner that gives it back: nobody but the owner may have views of
 * it. 32 KiB and less come from arenas of 256 KiB.
 *
 * A block that is given back is used again, unless this process has forked since it was allocated:
 * then a child may be using it, and it stays unused until all blocks of the same arena are given
 * back. A child allocates from arenas of its own.
 *
 * @throws RangeError `ERR_OUT_OF_RANGE`
 * @throws SystemError `ENOMEM`
 */
export function allocate(byteLength: number): Block {
  assertInteger(byteLength, 'byteLength', 0);
  return byteLength > MAX_SMALL_BYTES ? largeBlock(byteLength) : heap.value.allocate(byteLength);
}

/**
 * The block for an object: the one that its constructor was given, or one of its own.
 *
 * @param given what comes from {@link receiveBlock}; or from a user, who gives an argument too many
 * @throws TypeError `ERR_INVALID_ARG_TYPE`; what {@link allocate} throws
 */
export function ownBlock(given: Block | undefined, byteLength: number): Block {
  if (given === undefined) return allocate(byteLength);
  assertType(given instanceof CountedBlock, 'block', 'left out: it is for internal use', given);
  return given;
}

/** Makes an object over a block, which is given back if that fails. */
export function makeOver<T>(block: Block, make: (block: Block) => T): T {
  try {
    return make(block);
  } catch (error) {
    block.free();
    throw error;
  }
}

/** The result of {@link allocateForViews}. */
export interface Space {
  readonly buffer: ArrayBuffer;
  readonly byteOffset: number;
  /** Whether the mapping has nothing else in it. */
  readonly isWhole: boolean;
}

/** Arenas of which nothing is given back. */
class SpaceArenas {
  #current: Arena | undefined;

  take(length: number): Space {
    let byteOffset = this.#current?.takeNew(length);
    if (byteOffset === undefined) {
      this.#current = new Arena();
      byteOffset = this.#current.takeNew(length)!;
    }
    return { buffer: this.#current!.buffer, byteOffset, isWhole: false };
  }
}

/** Where the next spaces come from. */
const spaces = new PerProcess(() => new SpaceArenas());

function wholeSpace(buffer: ArrayBuffer): Space {
  return { buffer, byteOffset: 0, isWhole: true };
}

/**
 * Shared memory, all zeros, that views of all kinds may outlive: it is never used for anything
 * else. Its mapping is unmapped when the last view of it is collected, as is the
 * memory of the small Buffers of Node, which have their pool in common.
 *
 * @throws SystemError `ENOMEM`
 */
export function allocateForViews(byteLength: number): Space {
  if (byteLength > MAX_SMALL_BYTES) return wholeSpace(mapShareable(byteLength));
  return spaces.value.take(lengthFor(byteLength));
}

/** A place in memory, for another process. */
export interface PlaceParts {
  memory: number;
  byteOffset: number;
  byteLength: number;
}

/** @throws ProcessError `ERR_TRUEFORK_NOT_SHAREABLE` */
export function sendBlock(block: Block, attachments: Attachments): PlaceParts {
  const { buffer, byteOffset, byteLength } = block;
  const parts = { memory: attachments.memory(buffer), byteOffset, byteLength };
  block.share();
  return parts;
}

function assertPlace(
  buffer: ArrayBuffer,
  { byteOffset, byteLength }: PlaceParts,
  unit: number,
): void {
  assertInteger(byteOffset, 'byteOffset', 0, buffer.byteLength);
  assertInteger(byteLength, 'byteLength', 0, buffer.byteLength - byteOffset);
  if (byteOffset % unit !== 0) throw outOfRange('byteOffset', `a multiple of ${unit}`, byteOffset);
}

/**
 * The block that another process, or this one, has sent. A part of memory that this process has
 * mapped is in that mapping.
 *
 * @param byteLength how long it must be
 */
export function receiveBlock(parts: PlaceParts, byteLength: number, delivered: Delivered): Block {
  const buffer = delivered.memory(parts.memory);
  assertPlace(buffer, parts, WORD);
  assertInteger(parts.byteLength, 'byteLength', byteLength, byteLength);
  // Memory that was made elsewhere is unmapped when nobody has its buffer any more.
  const mapping = counted.get(buffer) ?? { buffer, live: 1 };
  return new CountedBlock(mapping, parts.byteOffset, byteLength, true);
}

/** As {@link sendBlock}, of memory from {@link allocateForViews}. */
export function sendSpace(space: Space, byteLength: number, attachments: Attachments): PlaceParts {
  const { buffer, byteOffset } = space;
  return { memory: attachments.memory(buffer), byteOffset, byteLength };
}

/** The space that another process, or this one, has sent. */
export function receiveSpace(parts: PlaceParts, delivered: Delivered): Space {
  // A mapping of its own, which its owner may unmap.
  const isWhole = parts.byteOffset === 0 && parts.byteLength > MAX_SMALL_BYTES;
  const buffer = delivered.memory(parts.memory, isWhole);
  assertPlace(buffer, parts, WORD);
  return isWhole ? wholeSpace(buffer) : { buffer, byteOffset: parts.byteOffset, isWhole };
}

registerAtFork({ before: () => void forks++ });
