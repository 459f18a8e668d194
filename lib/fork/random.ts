// A forked child has its parent's random numbers, those that are still to come
// included. OpenSSL notices a fork; Node's caches and V8's Math.random() do not.
import { check } from '../common/errors.js';
import { precompileForChildren } from '../common/precompiled.js';
import { nativePosix } from '../native/posix.js';
import { nodeInternals } from './node-internals.js';

/** Not OpenSSL's: in a child that starts with a collection of entropy, which may not be needed. */
function fill<Bytes extends ArrayBufferView>(bytes: Bytes): Bytes {
  const { buffer, byteOffset, byteLength } = bytes;
  check(nativePosix.getrandom(new Uint8Array(buffer, byteOffset, byteLength)), 'getrandom');
  return bytes;
}

/**
 * Makes a generator of doubles in [0, 1): xoshiro128**, seeded by the kernel.
 * V8 has one as good, but nothing that makes it start from another seed.
 */
function makeRandom(): () => number {
  const seed = fill(new Int32Array(4));
  let a = seed[0]!;
  let b = seed[1]!;
  let c = seed[2]!;
  let d = seed[3]! | 1; // the state must not be all zeros

  function next32(): number {
    const x = Math.imul(b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9);
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result >>> 0;
  }

  // As many bits as a double holds: 26 and 27.
  return () => ((next32() >>> 6) * 2 ** 27 + (next32() >>> 5)) / 2 ** 53;
}

/** Call it in a forked child: its random numbers are its own from here on. */
export function reseed(): void {
  const { uuidData, randomCache } = nodeInternals();
  fill(uuidData);
  fill(randomCache);
  const next = makeRandom();
  Math.random = function random() {
    return next();
  };
}

precompileForChildren(makeRandom, fill);
