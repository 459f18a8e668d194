// The cost of shared data, here and in CPython.
import { RawArray, RawValue, SharedArray, SharedMemory, Value } from 'truefork';
import { machine } from './support/machine.js';
import { Python } from './support/python.js';
import { median } from './support/statistics.js';
import { printTable, ratio } from './support/table.js';

const ROUNDS = 15;
const N = 1_000_000;
const LENGTH = 10_000;
const PASSES = 100;

const value = new Value('d', 0.5);
const unlocked = new RawValue('d', 0.5);
const counter = new Value('i');
const array = new SharedArray('d', LENGTH);
const raw = new RawArray('d', LENGTH);
/** Results must be used, or V8 does not compute them. */
let sink = 0;

function read(cell: RawValue<'d'>): number {
  let total = 0;
  for (let i = 0; i < N; i++) total += cell.value;
  sink += total;
  return N;
}

function write(cell: RawValue<'d'>): number {
  for (let i = 0; i < N; i++) cell.value = i;
  return N;
}

function add(): number {
  for (let i = 0; i < N; i++) counter.add(1);
  return N;
}

type Doubles = Float64Array | SharedArray<'d'>;

function index(cells: Doubles): number {
  let total = 0;
  for (let pass = 0; pass < PASSES; pass++) {
    for (let i = 0; i < LENGTH; i++) total += cells[i]!;
  }
  sink += total;
  return PASSES * LENGTH;
}

function sum(cells: Doubles): number {
  for (let pass = 0; pass < PASSES; pass++) sink += cells.reduce((total, cell) => total + cell, 0);
  return PASSES * LENGTH;
}

function fill(cells: Doubles): number {
  for (let pass = 0; pass < PASSES; pass++) cells.fill(1.5);
  return PASSES * LENGTH;
}

function make(Class: typeof RawValue): number {
  for (let i = 0; i < 5000; i++) sink += new Class('d', 0.5).value;
  return 5000;
}

function makeMemory(): number {
  for (let i = 0; i < 200; i++) {
    const memory = new SharedMemory({ create: true, size: 2 ** 20 });
    memory.close();
    memory.unlink();
  }
  return 200;
}

/** A row: its title, its name in shared.py, and how many times it was done. */
const OPERATIONS: [name: string, order: string, run: () => number][] = [
  ['Value: read', 'read', () => read(value)],
  ['RawValue: read', 'read raw', () => read(unlocked)],
  ['Value: write', 'write', () => write(value)],
  ['RawValue: write', 'write raw', () => write(unlocked)],
  ['add(1); in CPython += 1 under the lock', 'increment', add],
  ['SharedArray: a[i] in a loop', 'index', () => index(array)],
  ['RawArray: a[i] in a loop', 'index raw', () => index(raw)],
  ['SharedArray: sum of all', 'sum', () => sum(array)],
  ['RawArray: sum of all', 'sum raw', () => sum(raw)],
  ['SharedArray: fill', 'fill', () => fill(array)],
  ['RawArray: fill', 'fill raw', () => fill(raw)],
  ['Value: make', 'make', () => make(Value)],
  ['RawValue: make', 'make raw', () => make(RawValue)],
  ['SharedMemory of 1 MiB: make, close, unlink', 'memory', makeMemory],
];

function nanoseconds(run: () => number): number {
  const start = performance.now();
  const count = run();
  return ((performance.now() - start) * 1e6) / count;
}

const python = new Python('shared.py');
const ours = OPERATIONS.map((): number[] => []);
const theirs = OPERATIONS.map((): number[] => []);
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, [, order, run]] of OPERATIONS.entries()) {
    ours[i]!.push(nanoseconds(run));
    theirs[i]!.push(await python.ask<number>(order));
  }
}
await python.end();

console.log(machine());
printTable(
  'Shared data, in nanoseconds for one operation or element',
  ['', 'truefork', 'CPython', 'of CPython'],
  OPERATIONS.map(([name], i) => {
    const [own, other] = [median(ours[i]!), median(theirs[i]!)];
    return [name, own.toFixed(1), other.toFixed(1), ratio(own / other)];
  }),
);
if (Number.isNaN(sink)) throw new Error('computed nonsense');
