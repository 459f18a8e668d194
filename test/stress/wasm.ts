// WebAssembly modules big enough that V8 compiles them on its worker threads.

interface Instance {
  exports: { sum(n: number): number };
}

// Not in the types of Node 20.
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => Instance;
};

function unsigned(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >>> 7;
  return rest === 0 ? [low] : [low | 0x80, ...unsigned(rest)];
}

function signed(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const isAll = (rest === 0 && low < 0x40) || (rest === -1 && low >= 0x40);
  return isAll ? [low] : [low | 0x80, ...signed(rest)];
}

function sized(bytes: number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

function section(id: number, items: number[][]): number[] {
  return [id, ...sized([...unsigned(items.length), ...items.flat()])];
}

/** local = 0; do { local += seed + n } while (--n); return local */
function body(seed: number): number[] {
  const loop = [0x20, 1, 0x41, ...signed(seed), 0x6a, 0x20, 0, 0x6a, 0x21, 1];
  const next = [0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0];
  return sized([1, 1, 0x7f, 0x03, 0x40, ...loop, ...next, 0x0b, 0x20, 1, 0x0b]);
}

const MAGIC = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const FUNCTIONS = 40;

/** Bytes that V8 has not seen before, if `seed` is new. */
function makeModule(seed: number): Uint8Array {
  const functions = Array.from({ length: FUNCTIONS }, (_, i) => i);
  const name = [...Buffer.from('sum')];
  return Uint8Array.from([
    ...MAGIC,
    ...section(1, [[0x60, 1, 0x7f, 1, 0x7f]]),
    ...section(
      3,
      functions.map(() => [0]),
    ),
    ...section(7, [[...sized(name), 0, 0]]),
    ...section(
      10,
      functions.map((i) => body(seed + i)),
    ),
  ]);
}

/** The result of `sum(n)` of the module, without WebAssembly. */
function expectedSum(seed: number, n: number): number {
  return (Math.imul(n, seed) + (n * (n + 1)) / 2) | 0;
}

function runModule(module: object, seed: number): boolean {
  const { exports } = new WebAssembly.Instance(module);
  // Often enough for the optimizing compiler.
  for (let i = 0; i < 20; i++) {
    if (exports.sum(1000 + i) !== expectedSum(seed, 1000 + i)) return false;
  }
  return true;
}

/** Compiles a module and runs it. Returns whether it computed what it should. */
export function compileWasm(seed: number): boolean {
  return runModule(new WebAssembly.Module(makeModule(seed)), seed);
}

/** The same, with the compilation beside other work. */
export async function compileWasmLater(seed: number): Promise<boolean> {
  return runModule(await WebAssembly.compile(makeModule(seed)), seed);
}
