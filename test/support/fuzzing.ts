// Support for the fuzzers: messages that something is wrong with, always the same for the same
// seed. TRUEFORK_FUZZ=<seconds> goes on that long with seeds of its own; TRUEFORK_SEED=<number>
// repeats one.
import { readFileSync } from 'node:fs';

/** No message may be longer, in bytes. */
export const MAX_LENGTH = 4096;

/** The inputs in test/connection/corpus. */
export function corpus(name: string): Buffer[] {
  const path = new URL(`../../../test/connection/corpus/${name}.txt`, import.meta.url);
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => /^[0-9a-f]+$/.test(line)).map((line) => Buffer.from(line, 'hex'));
}

/** Numbers that look random and are the same for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to `limit` − 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) % limit;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

/** Lengths that may go wrong. */
const LENGTHS = [
  0,
  1,
  2,
  255,
  256,
  257,
  MAX_LENGTH,
  MAX_LENGTH + 1,
  2 ** 31 - 1,
  -1,
  -2,
  -(2 ** 31),
];

function header(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(length);
  return bytes;
}

/** The fates of a message. */
const CHANGES: ((bytes: Buffer, random: Random) => Buffer)[] = [
  (bytes) => bytes,
  (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  (bytes, random) => {
    const changed = Buffer.from(bytes);
    if (bytes.length > 0) changed[random.below(bytes.length)]! ^= 1 << random.below(8);
    return changed;
  },
  (bytes, random) => {
    const at = random.below(bytes.length + 1);
    return Buffer.concat([
      bytes.subarray(0, at),
      random.bytes(random.below(9)),
      bytes.subarray(at),
    ]);
  },
  (bytes, random) => Buffer.concat([header(random.pick(LENGTHS)), bytes]),
  (bytes, random) => Buffer.concat([header(random.below(300)), bytes]),
  (bytes) => Buffer.concat([header(bytes.length), bytes]),
  (_, random) => random.bytes(random.below(300)),
];

/** Some of `seeds`, one after the other, and then perhaps changed. */
export function make(seeds: readonly Buffer[], random: Random): Buffer {
  const parts = Array.from({ length: 1 + random.below(4) }, () => random.pick(seeds));
  let bytes: Buffer = Buffer.concat(parts);
  for (let i = random.below(4); i > 0; i--) bytes = random.pick(CHANGES)(bytes, random);
  return bytes;
}

/** Runs `test` for many seeds, and says which was the one that failed. */
export async function forSeeds(
  count: number,
  test: (random: Random) => Promise<void>,
): Promise<void> {
  const { TRUEFORK_FUZZ: seconds, TRUEFORK_SEED: only } = process.env;
  const isSoak = seconds !== undefined;
  const end = performance.now() + Number(seconds ?? Infinity) * 1000;
  const first = only === undefined ? (isSoak ? Date.now() % 2 ** 31 : 1) : Number(only);
  const last = only === undefined ? (isSoak ? Infinity : first + count) : first + 1;
  for (let seed = first; seed < last && performance.now() < end; seed++) {
    try {
      await test(new Random(seed));
    } catch (error) {
      throw new Error(`TRUEFORK_SEED=${seed}`, { cause: error });
    }
  }
}

export const fuzzOptions = { timeout: 600_000 + Number(process.env['TRUEFORK_FUZZ'] ?? 0) * 1000 };
