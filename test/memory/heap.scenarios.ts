import assert from 'node:assert/strict';
import { Process } from '../../lib/index.js';
import { allocate, allocateForViews, type Block, makeOver } from '../../lib/memory/heap.js';
import { _exit, fork, waitpid } from '../../lib/posix.js';
import { countSharedMappings } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

const ARENA_SIZE = 2 ** 18;

function bytesOf({ buffer, byteOffset, byteLength }: Block): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Numbers from 0 to `limit` − 1, the same for the same seed. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

function assertAligned({ byteOffset, byteLength }: Block): void {
  assert.equal(byteOffset % (byteLength >= 64 ? 64 : 8), 0);
}

function assertDisjoint(blocks: Iterable<Block>): void {
  const byBuffer = new Map<ArrayBuffer, Block[]>();
  for (const block of blocks) {
    const neighbours = byBuffer.get(block.buffer) ?? [];
    neighbours.push(block);
    byBuffer.set(block.buffer, neighbours);
  }
  for (const neighbours of byBuffer.values()) {
    const sorted = neighbours.toSorted((a, b) => a.byteOffset - b.byteOffset);
    let end = 0;
    for (const { byteOffset, byteLength } of sorted) {
      assert.ok(byteOffset >= end);
      end = byteOffset + byteLength;
    }
    assert.ok(end <= sorted[0]!.buffer.byteLength);
  }
}

/** Blocks, each filled with a number of its own. */
class Stamped {
  readonly #blocks = new Map<number, Block>();
  #last = 0;

  get size(): number {
    return this.#blocks.size;
  }

  add(byteLength: number): void {
    const block = allocate(byteLength);
    assert.equal(block.byteLength, byteLength);
    assertAligned(block);
    const bytes = bytesOf(block);
    assert.ok(bytes.every((byte) => byte === 0));
    this.#blocks.set(++this.#last, block);
    bytes.fill(this.#last);
  }

  /** Frees the one in this place. */
  remove(place: number): void {
    const [stamp, block] = [...this.#blocks][place]!;
    this.#assertIntact(stamp, block);
    block.free();
    this.#blocks.delete(stamp);
  }

  check(): void {
    assertDisjoint(this.#blocks.values());
    for (const [stamp, block] of this.#blocks) this.#assertIntact(stamp, block);
  }

  #assertIntact(stamp: number, block: Block): void {
    const expected = stamp % 256;
    assert.ok(bytesOf(block).every((byte) => byte === expected));
  }
}

/** Mostly small sizes, and now and then one that has a mapping of its own. */
function sizeFrom(random: (limit: number) => number): number {
  return random(2 ** random(random(20) === 0 ? 18 : 12));
}

function shuffle(seed: number, steps: number): void {
  const random = generator(seed);
  const before = countSharedMappings();
  const blocks = new Stamped();
  for (let step = 0; step < steps; step++) {
    if (blocks.size < 50 + random(200)) blocks.add(sizeFrom(random));
    else blocks.remove(random(blocks.size));
    if (step % 500 === 0) blocks.check();
  }
  blocks.check();
  while (blocks.size > 0) blocks.remove(random(blocks.size));
  assert.ok(countSharedMappings() <= before, 'all is given back');
}

function exitcodeOf(act: () => void): number | null {
  const pid = fork();
  if (pid !== 0) return waitpid(pid)!.exitcode;
  try {
    act();
  } catch (error) {
    console.error(error);
    _exit(1);
  }
  return _exit(0);
}

function offsetsOf(blocks: Block[]): Set<string> {
  return new Set(blocks.map(({ byteOffset }) => String(byteOffset)));
}

export const scenarios: Scenarios = {
  'a block of what could not be made is given back'() {
    allocate(64); // its arena stays, although the next is free
    const block = allocate(64);
    const refuse = (): never => {
      throw new RangeError('no');
    };
    assert.throws(() => makeOver(block, refuse), RangeError);
    assert.equal(allocate(64).byteOffset, block.byteOffset);
  },

  'random schedules of allocating and freeing'() {
    shuffle(1, 10); // compiled from here on
    for (let i = 0; i < 10; i++) {
      const seed = (Date.now() + i) % 2 ** 32;
      try {
        shuffle(seed, 2000);
      } catch (error) {
        throw new Error(`with seed ${seed}`, { cause: error });
      }
    }
  },

  'random schedules with forks between them'() {
    const seed = Date.now() % 2 ** 32;
    const random = generator(seed);
    const blocks = new Stamped();
    const pids: number[] = [];
    for (let step = 0; step < 2000; step++) {
      if (blocks.size < 50 + random(200)) blocks.add(sizeFrom(random));
      else blocks.remove(random(blocks.size));
      if (random(100) !== 0) continue;
      const pid = fork();
      if (pid !== 0) {
        pids.push(pid);
        continue;
      }
      // The child knows these blocks, and the parent goes on with them.
      try {
        const ours = new Stamped();
        for (let i = 0; i < 200; i++) {
          ours.add(sizeFrom(random));
          if (random(3) === 0) ours.remove(random(ours.size));
          if (blocks.size > 0 && random(3) === 0) blocks.remove(random(blocks.size));
        }
        ours.check();
        blocks.check();
        while (blocks.size > 0) blocks.remove(0);
        ours.check();
        _exit(0);
      } catch (error) {
        console.error(`with seed ${seed}`, error);
        _exit(1);
      }
    }
    blocks.check();
    for (const pid of pids) assert.equal(waitpid(pid)!.exitcode, 0, `with seed ${seed}`);
  },

  'ten thousand blocks are a few mappings'() {
    const before = countSharedMappings();
    const blocks = Array.from({ length: 10_000 }, () => allocate(64));
    assert.ok(countSharedMappings() - before <= 4);
    for (const block of blocks) block.free();
    assert.ok(countSharedMappings() <= before);
  },

  'what is freed is used again, and is zeros'() {
    const kept = allocate(8);
    const first = allocate(100);
    bytesOf(first).fill(255);
    first.free();
    const second = allocate(100);
    assert.equal(second.buffer, first.buffer);
    assert.equal(second.byteOffset, first.byteOffset);
    assert.ok(bytesOf(second).every((byte) => byte === 0));
    second.free();
    kept.free();
  },

  'freed twice is freed once'() {
    const kept = allocate(8);
    const block = allocate(8);
    block.free();
    block.free();
    const [second, third] = [allocate(8), allocate(8)];
    assert.notEqual(second.byteOffset, third.byteOffset);
    const large = allocate(ARENA_SIZE);
    large.free();
    large.free();
    kept.free();
  },

  'large ones have a mapping each, which goes with them'() {
    const before = countSharedMappings();
    const block = allocate(10 * ARENA_SIZE);
    assert.equal(block.byteOffset, 0);
    assert.equal(block.buffer.byteLength, 10 * ARENA_SIZE);
    const bytes = bytesOf(block);
    block.free();
    assert.equal(bytes.length, 0);
    assert.equal(countSharedMappings(), before);
  },

  'what a child may have is not used again'() {
    const kept = allocate(8);
    const inherited = Array.from({ length: 100 }, () => allocate(8));
    const pid = fork();
    if (pid === 0) for (;;); // it has them until it is killed
    for (const block of inherited) block.free();
    const later = Array.from({ length: 100 }, () => allocate(8));
    const offsets = offsetsOf(inherited);
    assert.ok(later.every((b) => b.buffer !== kept.buffer || !offsets.has(String(b.byteOffset))));
    process.kill(pid, 'SIGKILL');
    waitpid(pid);
    // Blocks from after the fork are.
    later[50]!.free();
    assert.equal(allocate(8).byteOffset, later[50]!.byteOffset);
  },

  'a child goes on with what its parent has freed'() {
    const gate = new Int32Array(allocate(8).buffer, 0, 1);
    const block = allocate(32);
    const large = allocate(ARENA_SIZE);
    const act = (): void => {
      while (Atomics.load(gate, 0) === 0);
      for (const { buffer, byteOffset, byteLength } of [block, large]) {
        const bytes = new Uint8Array(buffer, byteOffset, byteLength);
        assert.ok(bytes.every((byte) => byte === 7));
        bytes.fill(8);
        assert.ok(bytes.every((byte) => byte === 8));
      }
    };
    bytesOf(block).fill(7);
    bytesOf(large).fill(7);
    const pid = fork();
    if (pid === 0) {
      act();
      _exit(0);
    }
    block.free();
    large.free();
    for (let i = 0; i < 1000; i++) bytesOf(allocate(32)).fill(9);
    Atomics.store(gate, 0, 1);
    assert.equal(waitpid(pid)!.exitcode, 0);
  },

  'a child allocates from arenas of its own'() {
    const block = allocate(8);
    const shared = allocate(8);
    shared.free();
    const space = allocateForViews(8);
    assert.equal(
      exitcodeOf(() => {
        assert.notEqual(allocate(8).buffer, block.buffer);
        assert.notEqual(allocateForViews(8).buffer, space.buffer);
        block.free();
        assert.notEqual(allocate(8).buffer, block.buffer);
        // And its child from others again.
        const ours = allocate(8);
        assert.equal(
          exitcodeOf(() => assert.notEqual(allocate(8).buffer, ours.buffer)),
          0,
        );
      }),
      0,
    );
    assert.equal(allocate(8).buffer, block.buffer);
    assert.equal(allocateForViews(8).buffer, space.buffer);
  },

  async 'a child gives back the mappings that it inherits'() {
    const blocks = Array.from({ length: 20_000 }, () => allocate(64));
    const child = new Process({
      target: () => {
        const before = countSharedMappings();
        for (const block of blocks) block.free();
        assert.ok(countSharedMappings() < before);
      },
    });
    child.start();
    assert.equal(await child.join(), 0);
    bytesOf(blocks[19_999]!)[0] = 1;
    assert.equal(bytesOf(blocks[19_999]!)[0], 1);
  },

  'space for views is never used twice'() {
    const spaces = Array.from({ length: 5000 }, () => allocateForViews(100));
    const places = new Map<ArrayBuffer, Set<number>>();
    for (const { buffer, byteOffset, isWhole } of spaces) {
      assert.equal(isWhole, false);
      assert.equal(byteOffset % 64, 0);
      const offsets = places.get(buffer) ?? new Set();
      assert.ok(!offsets.has(byteOffset));
      places.set(buffer, offsets.add(byteOffset));
    }
    assert.ok(places.size <= 4);
    const large = allocateForViews(ARENA_SIZE);
    assert.deepEqual([large.byteOffset, large.isWhole], [0, true]);
  },

  'sizes that cannot be'() {
    const outOfRange = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
    for (const size of [-1, 1.5, Number.NaN, Infinity]) {
      assert.throws(() => allocate(size), outOfRange);
    }
    assert.throws(() => allocate('8' as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.equal(allocate(0).byteLength, 0);
  },
};
