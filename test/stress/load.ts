// Work that keeps the threads of V8 busy, and notices when it goes wrong.
import assert from 'node:assert/strict';
import { compileWasm, compileWasmLater } from './wasm.js';

/** Makes something of each kind of memory that V8 has, and says whether it holds what it should. */
type Kind = (seed: number) => { thing: unknown; isRight: () => boolean };

function objects(seed: number): ReturnType<Kind> {
  const thing = Array.from({ length: 3000 }, (_, i) => ({ i, seed, inner: { text: `${i}` } }));
  return { thing, isRight: () => thing.every(({ i, inner }) => inner.text === String(i)) };
}

function largeArray(seed: number): ReturnType<Kind> {
  const thing = Array.from<number>({ length: 60_000 }).fill(seed);
  return { thing, isRight: () => thing.at(-1) === seed };
}

function strings(seed: number): ReturnType<Kind> {
  let thing = '';
  for (let i = 0; i < 5000; i++) thing += `${seed + i};`;
  return { thing, isRight: () => thing.split(';').length === 5001 };
}

function arrayBuffers(seed: number): ReturnType<Kind> {
  const thing = [100, 10_000, 300_000].map((size) => new Uint8Array(size).fill(seed));
  return { thing, isRight: () => thing.every((bytes) => bytes.at(-1) === (seed & 0xff)) };
}

function collections(seed: number): ReturnType<Kind> {
  const thing = new Map(Array.from({ length: 2000 }, (_, i) => [`key ${seed + i}`, { i }]));
  return { thing, isRight: () => thing.get(`key ${seed + 1999}`)?.i === 1999 };
}

/** Unless it is gone. */
function isIntact(ref: WeakRef<{ i: number }>, i: number): boolean {
  return (ref.deref()?.i ?? i) === i;
}

function weakThings(seed: number): ReturnType<Kind> {
  const key = { seed };
  const weak = new WeakMap([[key, seed]]);
  const refs = Array.from({ length: 200 }, (_, i) => new WeakRef({ i }));
  return {
    thing: [key, weak, refs],
    isRight: () => weak.get(key) === seed && refs.every(isIntact),
  };
}

function bigNumbers(seed: number): ReturnType<Kind> {
  const thing = BigInt(seed + 2) ** 400n;
  return { thing, isRight: () => thing % BigInt(seed + 2) === 0n };
}

function parsed(seed: number): ReturnType<Kind> {
  const text = JSON.stringify(Array.from({ length: 500 }, (_, i) => ({ [`p${seed}`]: [i] })));
  const thing = JSON.parse(text) as unknown;
  return { thing, isRight: () => JSON.stringify(thing) === text };
}

const kinds: Kind[] = [
  objects,
  largeArray,
  strings,
  arrayBuffers,
  collections,
  weakThings,
  bigNumbers,
  parsed,
];

/** Objects that live for a while: without it there were no old generation to collect. */
const survivors: ReturnType<Kind>[] = [];
const MAX_SURVIVORS = 40;

function makeGarbage(seed: number): void {
  for (const [index, kind] of kinds.entries()) {
    const place = (seed * kinds.length + index) % MAX_SURVIVORS;
    assert.ok(survivors[place]?.isRight() ?? true, 'what was in memory is not what it was');
    survivors[place] = kind(seed);
  }
}

const FORMULA = 'let sum = seed; for (let i = 0; i < n; i++) sum += i % 7; return sum;';

function byFormula(seed: number, n: number): number {
  let sum = seed;
  for (let i = 0; i < n; i++) sum += i % 7;
  return sum;
}

/** Functions that V8 has not seen before: compiled, optimized, and given up. */
function compileFunction(seed: number): void {
  // oxlint-disable-next-line eslint/no-new-func, typescript/no-implied-eval -- to compile is the point
  const fn = new Function('seed', 'n', `/* ${seed} */ ${FORMULA}`) as typeof byFormula;
  for (let i = 0; i < 300; i++) assert.equal(fn(i, 300), byFormula(i, 300));
  // Not the types that it was optimized for.
  assert.equal((fn as unknown as (seed: string, n: number) => string)('x', 3), 'x012');
  assert.equal(fn(0.5, 300), byFormula(0.5, 300));
  assert.match('b'.repeat(seed % 50), new RegExp(`^b{${seed % 50}}(?!x${seed})$`));
}

let seed = 0;
let later: Promise<void> = Promise.resolve();

/** Allocates and compiles, and leaves V8's threads something to do behind it. */
export function churn(rounds: number): void {
  for (let i = 0; i < rounds; i++) {
    seed++;
    makeGarbage(seed);
    compileFunction(seed);
  }
  assert.ok(compileWasm(seed), 'WebAssembly computes nonsense');
}

/** As {@link churn}; some of it is still going on when it returns. */
export function churnOn(rounds: number): void {
  churn(rounds);
  const compiling = compileWasmLater(seed + 1_000_000);
  later = later.then(async () => assert.ok(await compiling, 'WebAssembly computes nonsense'));
}

/** Until nothing is going on any more. */
export async function churned(): Promise<void> {
  await later;
}

/** Lets go of all that is only there to be collected later. */
export function forgetGarbage(): void {
  survivors.length = 0;
}

/** In a forked child, what the parent has going on does not come. */
export function forgetChurn(): void {
  later = Promise.resolve();
}
