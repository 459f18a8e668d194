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
/** Some take long for the many small tasks: one round is enough to see that. */
const ONE_ROUND_FROM_MS = 10_000;
const SIZE = cpuCount();
const ITEMS = 100_000;
/** The number of calls until often-run JavaScript is compiled, and as many that count. */
const ROUND_TRIPS = 5000;
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
  for (let i = 0; i < ROUND_TRIPS; i++) await pool.call('square', i);
  const time = await timed(async () => {
    for (let i = 0; i < ROUND_TRIPS; i++) await pool.call('square', i);
  });
  return time / ROUND_TRIPS;
}

/** The quantity that is measured, and its unit. NaN: not measured. */
async function measure({ start, hasChunks, sendsJson }: Contender, isSlow: boolean): Promise<Row> {
  const before = totalPss();
  let pool!: Running;
  const first = await timed(async () => {
    pool = start(SIZE);
    await pool.call('square', 3);
  });
  const items = range(ITEMS);
  const trips = await roundTrips(pool);
  const map = isSlow ? Number.NaN : await timed(() => pool.map('square', items));
  const row: Row = {
    'first result of a new pool': first,
    'apply, round trip': trips,
    'map of 100,000': map,
    'map of 100,000, one by one': hasChunks ? await timed(() => pool.map('square', items, 1)) : map,
    '64 results of 1 MB': sendsJson
      ? Number.NaN
      : await timed(() => pool.map('megabyte', range(MEGABYTES), 1)),
    'computing on all processors': await timed(() =>
      pool.map('burn', Array<number>(BURNS).fill(BURN), 1),
    ),
    'memory of the pool, MB (PSS)': totalPss() - before,
  };
  await pool.end();
  return row;
}

async function measurePython(): Promise<Row> {
  const python = new Python('pool.py');
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
  await python.end();
  return row;
}

/** This program once more, in another mode: what one contender leaves behind costs no other. */
function apart(...args: string[]): Row {
  const nodeArgs = ['--max-old-space-size=6000', fileURLToPath(import.meta.url)];
  const output = execFileSync(process.execPath, [...nodeArgs, ...args]).toString();
  // A value that is not measured is null in JSON.
  const row = JSON.parse(output) as Record<string, number | null>;
  return Object.fromEntries(
    Object.entries(row).map(([what, value]) => [what, value ?? Number.NaN]),
  );
}

function wasSlow(rows: Row[]): boolean {
  return rows.some((row) => row['map of 100,000']! > ONE_ROUND_FROM_MS);
}

async function compare(): Promise<void> {
  const names = ['CPython Pool', ...contenders.map(({ name }) => name)];
  const rows = new Map(names.map((name) => [name, [] as Row[]]));
  for (let round = 0; round < ROUNDS; round++) {
    rows.get('CPython Pool')!.push(await measurePython());
    for (const { name } of contenders) {
      const before = rows.get(name)!;
      before.push(apart('contender', name, wasSlow(before) ? 'slow' : ''));
    }
  }
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

async function measureStructure(megabytes: number): Promise<Row> {
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
  return times;
}

async function compareStructure(megabytes: number): Promise<void> {
  const times = apart('structure', String(megabytes));
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

const [, , mode, name, slow] = process.argv;
if (mode === 'contender') {
  const contender = contenders.find((each) => each.name === name)!;
  console.log(JSON.stringify(await measure(contender, slow === 'slow')));
} else if (mode === 'structure') {
  console.log(JSON.stringify(await measureStructure(Number(name))));
} else {
  console.log(machine());
  await compare();
  await compareStructure(Number(mode ?? 500));
}
