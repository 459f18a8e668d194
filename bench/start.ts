// How long it takes to start a process and to see it end, here and elsewhere, and
// what a big heap costs.
import { execFileSync, fork as forkModule } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Process } from 'truefork';
import { _exit, fork, pipe, waitpid } from 'truefork/posix';
import { machine } from './support/machine.js';
import { Python } from './support/python.js';
import { median } from './support/statistics.js';
import { milliseconds, printTable, ratio } from './support/table.js';

const require = createRequire(import.meta.url);
const { bareFork } = require('../../build/Release/bare_fork.node') as {
  bareFork(): [forked: number, reaped: number];
};
const native = require('../../build/Release/truefork.node') as {
  fork(report: number, loopGoesOn: boolean, jsWorkers: number): number;
};

const ROUNDS = 15;
const PER_ROUND = 8;
const HEAPS = [0, 128, 256, 512, 1024];

async function timed(run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

const [, report] = pipe();

/** The time that the parent spends in the native part, from the call to its return there. */
function nativeFork(): number {
  const start = performance.now();
  let pid: number;
  // Negative while V8's workers come to rest.
  do pid = native.fork(report, false, 0);
  while (pid < 0);
  if (pid === 0) _exit(0);
  const duration = performance.now() - start;
  waitpid(pid);
  return duration;
}

function forkAndWait(): void {
  const pid = fork();
  if (pid === 0) _exit(0);
  waitpid(pid);
}

/** Appends to `held` how long the parent's event loop stood still. */
async function startAndJoin(held: number[] = []): Promise<void> {
  const child = new Process({ target: () => {} });
  held.push(await timed(() => child.start()));
  await child.join();
}

async function childProcess(): Promise<void> {
  await once(forkModule(fileURLToPath(new URL('support/nothing.js', import.meta.url))), 'exit');
}

async function workerThread(): Promise<void> {
  await once(new Worker('', { eval: true }), 'exit');
}

type Samples = Record<string, number[]>;

async function repeat(samples: Samples, name: string, run: () => unknown, n = PER_ROUND) {
  samples[name] ??= [];
  for (let i = 0; i < n; i++) samples[name].push(await timed(run));
}

function residentMegabytes(): number {
  return process.memoryUsage.rss() / 1e6;
}

async function compareStarts(): Promise<void> {
  const python = new Python('start.py');
  const samples: Samples = { 'CPython multiprocessing (fork)': [] };
  const bare: number[] = [];
  const parent: number[] = [];
  const held: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await repeat(samples, 'truefork start() + join()', () => startAndJoin(held));
    await repeat(samples, 'truefork/posix fork() + waitpid()', forkAndWait);
    await repeat(samples, 'bare fork(2) + waitpid(2) of this process', bareFork);
    samples['CPython multiprocessing (fork)']!.push(
      ...(await python.ask<number[]>(`${PER_ROUND}`)),
    );
    await repeat(samples, 'worker_threads Worker', workerThread, 2);
    await repeat(samples, 'child_process.fork()', childProcess, 2);
    for (let i = 0; i < PER_ROUND; i++) {
      bare.push(bareFork()[0]);
      parent.push(nativeFork());
    }
  }
  await python.end();
  const reference = median(samples['truefork start() + join()']!);
  printTable(
    `An empty process, from start to end (${residentMegabytes().toFixed(0)} MB resident)`,
    ['', 'median ms', 'of truefork'],
    Object.entries(samples).map(([name, times]) => [
      name,
      milliseconds(median(times)),
      ratio(median(times) / reference),
    ]),
  );
  printTable(
    'What the parent stands still for',
    ['', 'median ms', 'of bare'],
    [
      ['bare fork(2)', milliseconds(median(bare)), ratio(1)],
      [
        'workers parked, heap made inheritable, fork(2), undone',
        milliseconds(median(parent)),
        ratio(median(parent) / median(bare)),
      ],
      ['start(), until it returns', milliseconds(median(held)), ratio(median(held) / median(bare))],
    ],
  );
}

/** Objects and strings, not one big buffer: pages as a program has them. */
function fill(megabytes: number): unknown[] {
  const kept = [];
  for (let i = 0; i < megabytes * 1000; i++) {
    kept.push(Array.from({ length: 108 }, (_, n) => n + 0.5));
  }
  return kept;
}

interface HeapRow {
  resident: number;
  bare: number;
  parent: number;
  startAndJoin: number;
}

async function measureHeap(megabytes: number): Promise<void> {
  const kept = fill(megabytes);
  await startAndJoin();
  const samples: Samples = {};
  const bare: number[] = [];
  const parent: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(bareFork()[0]);
    parent.push(nativeFork());
    await repeat(samples, 'start', () => startAndJoin(), 1);
  }
  const row: HeapRow = {
    resident: residentMegabytes(),
    bare: median(bare),
    parent: median(parent),
    startAndJoin: median(samples['start']!),
  };
  console.log(JSON.stringify({ ...row, kept: kept.length }));
}

function compareHeaps(): void {
  const rows = HEAPS.map((megabytes) => {
    const nodeArgs = ['--max-old-space-size=4096', fileURLToPath(import.meta.url)];
    const output = execFileSync(process.execPath, [...nodeArgs, String(megabytes)]);
    const row = JSON.parse(output.toString()) as HeapRow;
    return [
      `${row.resident.toFixed(0)} MB`,
      milliseconds(row.bare),
      milliseconds(row.parent),
      ratio(row.parent / row.bare),
      milliseconds(row.startAndJoin),
    ];
  });
  printTable(
    'By resident memory, in milliseconds',
    ['resident', 'bare fork(2)', 'our fork', 'of bare', 'start() + join()'],
    rows,
  );
}

const [, , heap] = process.argv;
if (heap !== undefined) {
  await measureHeap(Number(heap));
} else {
  console.log(machine());
  await compareStarts();
  compareHeaps();
}
