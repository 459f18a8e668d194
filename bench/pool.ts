// Pools side by side, in one run: ours, CPython's, and others for Node.
//
//   node out/bench/pool.js [megabytes of the structure]
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { cpuCount, Pool } from 'truefork';
import { contenders, type Contender, type Running } from './pool/contenders.js';
import { totalPss } from './pool/memory.js';
import { sumOf, type Records } from './pool/work.js';
import { machine } from './support/machine.js';
import { Python } from './support/python.js';
import { median } from './support/statistics.js';
import { milliseconds, printTable } from './support/table.js';

const ROUNDS = 3;
/** Some take a minute for the many small tasks: one round is enough to see that. */
const PATIENCE = 10_000;
const SIZE = cpuCount();
const ITEMS = 100_000;
const ROUND_TRIPS = 2000;
const MEGABYTES = 64;
const BURNS = 4 * SIZE;
const BURN = 20_000_000;
const PYTHON_BURN = BURN / 20;
const PARTS = 16;

type Row = Record<string, number>;

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

async function roundTrips(pool: Running): Promise<number> {
  for (let i = 0; i < 200; i++) await pool.call('square', i);
  const time = await timed(async () => {
    for (let i = 0; i < ROUND_TRIPS; i++) await pool.call('square', i);
  });
  return time / ROUND_TRIPS;
}

const tooSlow = new Set<string>();

/** As {@link timed}; not again for those who took too long. */
async function timedOnce(name: string, run: () => Promise<unknown>): Promise<number> {
  if (tooSlow.has(name)) return Number.NaN;
  const time = await timed(run);
  if (time > PATIENCE) tooSlow.add(name);
  return time;
}

async function measure({ name, start, sendsJson }: Contender, python: number): Promise<Row> {
  const before = totalPss(python);
  let pool!: Running;
  const first = await timed(async () => {
    pool = start(SIZE);
    await pool.call('square', 3);
  });
  const items = range(ITEMS);
  const row: Row = {
    'first result of a new pool': first,
    'apply, round trip': await roundTrips(pool),
    'map of 100,000': await timedOnce(`${name}, map`, () => pool.map('square', items)),
    'map of 100,000, one by one': await timedOnce(`${name}, one by one`, () =>
      pool.map('square', items, 1),
    ),
    '64 results of 1 MB':
      sendsJson === true
        ? Number.NaN
        : await timed(() => pool.map('megabyte', range(MEGABYTES), 1)),
    'computing on all processors': await timed(() =>
      pool.map('burn', Array<number>(BURNS).fill(BURN), 1),
    ),
    'memory of the pool, MB (PSS)': totalPss(python) - before,
  };
  await pool.end();
  return row;
}

async function measurePython(python: Python): Promise<Row> {
  const ask = (...order: unknown[]): Promise<number> => python.ask<number>(JSON.stringify(order));
  const before = await ask('pss');
  const row: Row = {
    'first result of a new pool': await ask('start'),
    'apply, round trip': await ask('roundTrips', ROUND_TRIPS),
    'map of 100,000': await ask('map', ITEMS),
    'map of 100,000, one by one': await ask('map one by one', ITEMS),
    '64 results of 1 MB': await ask('megabytes', MEGABYTES),
    'computing on all processors': await ask('burn', BURNS, PYTHON_BURN),
    'memory of the pool, MB (PSS)': (await ask('pss')) - before,
  };
  await ask('end');
  return row;
}

async function compare(): Promise<void> {
  const python = new Python('pool.py');
  const names = ['CPython Pool', ...contenders.map(({ name }) => name)];
  const rows = new Map(names.map((name) => [name, [] as Row[]]));
  for (let round = 0; round < ROUNDS; round++) {
    rows.get('CPython Pool')!.push(await measurePython(python));
    for (const contender of contenders) {
      rows.get(contender.name)!.push(await measure(contender, python.pid));
    }
  }
  await python.end();
  for (const what of Object.keys(rows.get('truefork')![0]!)) {
    const values = names.map((name): [string, number] => [
      name,
      median(rows.get(name)!.flatMap((row) => (Number.isNaN(row[what]) ? [] : [row[what]!]))),
    ]);
    const [, own] = values.find(([name]) => name === 'truefork')!;
    printTable(
      `${what} (${SIZE} workers)`,
      ['', what.includes('MB (PSS)') ? 'MB' : 'ms', 'of truefork'],
      values
        .filter(([, value]) => !Number.isNaN(value))
        .toSorted(([, a], [, b]) => a - b)
        .map(([name, value]) => [name, milliseconds3(value), `${(value / own).toFixed(2)}x`]),
    );
  }
}

function milliseconds3(value: number): string {
  return value < 1 ? value.toFixed(4) : milliseconds(value);
}

/** Objects, and not one big buffer: 1 kB each. */
function makeRecords(megabytes: number): Records {
  return Array.from({ length: megabytes * 1000 }, () =>
    Array.from({ length: 120 }, (_, n) => n + 0.5),
  );
}

/** In a process of its own: what the structure does to the others is not their fault. */
async function measureStructure(megabytes: number): Promise<void> {
  const records = makeRecords(megabytes);
  const times: Row = {};
  const bounds = range(PARTS).map((i): [number, number] => [
    Math.floor((records.length * i) / PARTS),
    Math.floor((records.length * (i + 1)) / PARTS),
  ]);
  const expected = sumOf(records);
  const check = (sums: unknown[]): void => {
    const sum = (sums as number[]).reduce((a, b) => a + b);
    if (Math.abs(sum - expected) > 1) throw new Error(`${sum} instead of ${expected}`);
  };
  times['one process, no pool'] = await timed(async () => sumOf(records));
  times['truefork'] = await timed(async () => {
    await using pool = new Pool(SIZE);
    const sumPart = ([from, to]: [number, number]): number => sumOf(records.slice(from, to));
    check(await pool.map(sumPart, bounds, 1));
  });
  for (const { name, start } of contenders) {
    if (name === 'truefork') continue;
    const pool = start(SIZE);
    await pool.call('square', 1); // it may be there before
    times[name] = await timed(async () => {
      const sums: unknown[] = [];
      // A few at a time: all of them at once are more than there is memory for.
      for (let i = 0; i < PARTS; i += SIZE) {
        const some = bounds.slice(i, i + SIZE).map(([from, to]) => records.slice(from, to));
        sums.push(...(await pool.map('sumOf', some)));
      }
      check(sums);
    });
    await pool.end();
  }
  console.log(JSON.stringify(times));
}

async function compareStructure(megabytes: number): Promise<void> {
  const nodeArgs = ['--max-old-space-size=6000', fileURLToPath(import.meta.url)];
  const output = execFileSync(process.execPath, [...nodeArgs, 'structure', String(megabytes)]);
  const times = JSON.parse(output.toString()) as Row;
  const python = new Python('pool.py');
  times['CPython Pool'] = await python.ask<number>(JSON.stringify(['structure', megabytes, PARTS]));
  await python.end();
  const own = times['truefork']!;
  printTable(
    `Summing up a structure of ${megabytes} MB in memory, pool and all`,
    ['', 'ms', 'of truefork'],
    Object.entries(times)
      .toSorted(([, a], [, b]) => a - b)
      .map(([name, time]) => [name, milliseconds(time), `${(time / own).toFixed(2)}x`]),
  );
}

const [, , mode, megabytes] = process.argv;
if (mode === 'structure') {
  await measureStructure(Number(megabytes));
} else {
  console.log(machine());
  await compare();
  await compareStructure(Number(mode ?? 500));
}
