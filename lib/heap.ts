// Small pieces of the memory that a process shares with the children it forks: many of
// them to a mapping, for the kernel allows a process some 65,000.
import { onForkedChild, registerAtFork } from './posix/fork.js';
import { mmap, munmap } from './posix/memory.js';
import { assertInteger } from './validate.js';

/** In bytes. Of a mapping only the pages that are used take memory. */
const ARENA_SIZE = 2 ** 18;
/** What is longer has a mapping of its own. In bytes. */
const LONGEST = ARENA_SIZE / 8;
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
  readonly buffer: ArrayBuffer = mmap(ARENA_SIZE);
  /** What is behind has never been used. */
  #end = 0;

  /** Space of that length that nobody has had, and its offset; undefined if none is left. */
  takeNew(length: number): number | undefined {
    const offset = roundUp(this.#end, length < CACHE_LINE ? WORD : CACHE_LINE);
    if (offset + length > ARENA_SIZE) return undefined;
    this.#end = offset + length;
    return offset;
  }
}

/** An arena whose blocks are given back one by one. */
class BlockArena extends Arena {
  /** How many blocks are in use. */
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
    arena.live--;
    if (arena.live === 0) this.#unmap(arena);
    else if (isReusable) this.#addFree(arena, offset, lengthFor(byteLength));
  }

  #takeNew(length: number): [BlockArena, number] {
    let offset = this.#current?.takeNew(length);
    if (offset === undefined) {
      this.#current = new BlockArena();
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

  #unmap(arena: BlockArena): void {
    if (this.#current === arena) this.#current = undefined;
    for (const length of arena.free.keys()) this.#withFree.get(length)?.delete(arena);
    munmap(arena.buffer);
  }
}

/** A piece of shared memory. It has one owner, in each process that has it. */
export interface Block {
  /** The whole mapping that it is in. */
  readonly buffer: ArrayBuffer;
  /** A multiple of 8; of 64 where it has 64 bytes or more. */
  readonly byteOffset: number;
  /** What was asked for. */
  readonly byteLength: number;
  /** Gives it back, in this process. The owner does not touch it any more. */
  free(): void;
}

class SmallBlock implements Block {
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly #arena: BlockArena;
  readonly #forks = forks;
  #isFree = false;

  constructor(arena: BlockArena, byteOffset: number, byteLength: number) {
    this.#arena = arena;
    this.byteOffset = byteOffset;
    this.byteLength = byteLength;
  }

  get buffer(): ArrayBuffer {
    return this.#arena.buffer;
  }

  free(): void {
    if (this.#isFree) return;
    this.#isFree = true;
    // A child that has it may go on with it as long as it likes.
    const isReusable = this.#forks === forks;
    heap.free(this.#arena, this.byteOffset, this.byteLength, isReusable);
  }
}

class LargeBlock implements Block {
  readonly buffer: ArrayBuffer;
  readonly byteOffset = 0;
  readonly byteLength: number;
  #isFree = false;

  constructor(byteLength: number) {
    this.buffer = mmap(byteLength);
    this.byteLength = byteLength;
  }

  free(): void {
    if (this.#isFree) return;
    this.#isFree = true;
    munmap(this.buffer);
  }
}

let heap = new Heap();

/**
 * Shared memory, all zeros, for an owner that gives it back: nobody but the owner may
 * have views of it. 32 KiB and less come from arenas of 256 KiB.
 *
 * What is given back is used again, unless this process has forked since it was allocated:
 * then a child may be using it, and it stays unused until all that is in the same arena
 * is given back. A child allocates from arenas of its own.
 *
 * @throws RangeError `ERR_OUT_OF_RANGE`
 * @throws SystemError `ENOMEM`
 */
export function allocate(byteLength: number): Block {
  assertInteger(byteLength, 'byteLength', 0);
  return byteLength > LONGEST ? new LargeBlock(byteLength) : heap.allocate(byteLength);
}

/** What {@link allocateForViews} gives. */
export interface Space {
  readonly buffer: ArrayBuffer;
  readonly byteOffset: number;
  /** Whether the mapping has nothing else in it. */
  readonly isWhole: boolean;
}

let spaces: Arena | undefined;

/**
 * Shared memory, all zeros, that views of all kinds may outlive: it is never used for anything
 * else. Its mapping is unmapped when the last view of it is collected, as is the
 * memory of the small Buffers of Node, which have their pool in common.
 *
 * @throws SystemError `ENOMEM`
 */
export function allocateForViews(byteLength: number): Space {
  if (byteLength > LONGEST) return { buffer: mmap(byteLength), byteOffset: 0, isWhole: true };
  const length = lengthFor(byteLength);
  let byteOffset = spaces?.takeNew(length);
  if (byteOffset === undefined) {
    spaces = new Arena();
    byteOffset = spaces.takeNew(length)!;
  }
  return { buffer: spaces!.buffer, byteOffset, isWhole: false };
}

/** What is free in the parent's arenas the parent will use. */
function startAfresh(): void {
  heap = new Heap();
  spaces = undefined;
}

onForkedChild(startAfresh);
registerAtFork({ before: () => void forks++ });
