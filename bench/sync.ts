// The cost of locks and the like, here and in CPython.
import { setTimeout as sleep } from 'node:timers/promises';
import { Barrier, Event, Lock, Process, RawValue, RLock, Semaphore, Value } from 'truefork';
import { machine } from './support/machine.js';
import { Python } from './support/python.js';
import { median } from './support/statistics.js';
import { printTable, ratio } from './support/table.js';

const ROUNDS = 9;
const N = 1_000_000;

const lock = new Lock();
const recursive = new RLock();
const semaphore = new Semaphore(1);
const value = new Value('i');
const raw = new RawValue('i');
/** Results must be used, or V8 does not compute them. */
let sink = 0;

function nanoseconds(): number {
  return performance.now() * 1e6;
}

async function timed(run: () => unknown, count: number): Promise<number> {
  const start = nanoseconds();
  await run();
  return (nanoseconds() - start) / count;
}

/**
 * The work of one process alone is measured in time of the processor, whatever else runs beside it.
 */
async function busy(run: () => unknown, count: number): Promise<number> {
  const start = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1000) / count;
}

function started(target: () => unknown): Process {
  const child = new Process({ target });
  child.start();
  return child;
}

function pairs(held: Pick<Lock, 'acquireSync' | 'release'>): Promise<number> {
  return busy(() => {
    for (let i = 0; i < N; i++) {
      held.acquireSync();
      held.release();
    }
  }, N);
}

async function awaitedPairs(): Promise<number> {
  const count = N / 10;
  return busy(async () => {
    for (let i = 0; i < count; i++) {
      await lock.acquire();
      lock.release();
    }
  }, count);
}

function read(): void {
  for (let i = 0; i < N; i++) sink += value.withSync(() => value.value);
}

function increment(): void {
  for (let i = 0; i < N; i++) value.withSync(() => (value.value += 1));
}

function incrementRaw(): void {
  raw.value = 0;
  for (let i = 0; i < N; i++) raw.value += 1;
}

async function contended(processes: number): Promise<number> {
  const count = N / processes;
  const gate = new Barrier(processes + 1);
  raw.value = 0;
  const children = Array.from({ length: processes }, () =>
    started(() => {
      gate.waitSync();
      for (let i = 0; i < count; i++) {
        lock.acquireSync();
        raw.value += 1;
        lock.release();
      }
      gate.waitSync();
    }),
  );
  gate.waitSync();
  const duration = await timed(() => gate.waitSync(), count * processes);
  for (const child of children) await child.join();
  if (raw.value !== count * processes) throw new Error('lost some');
  return duration;
}

async function pingPong(): Promise<number> {
  const count = 20_000;
  const [ping, pong] = [new Semaphore(0), new Semaphore(0)];
  const child = started(() => {
    for (let i = 0; i <= count; i++) {
      ping.acquireSync();
      pong.release();
    }
  });
  const times = (n: number): void => {
    for (let i = 0; i < n; i++) {
      ping.release();
      pong.acquireSync();
    }
  };
  times(1);
  const duration = await timed(() => times(count), count);
  await child.join();
  return duration;
}

async function awaitedPingPong(): Promise<number> {
  const count = 2000;
  const [ping, pong] = [new Semaphore(0), new Semaphore(0)];
  const child = started(async () => {
    for (let i = 0; i <= count; i++) {
      await ping.acquire();
      pong.release();
    }
  });
  const once = async (): Promise<void> => {
    ping.release();
    await pong.acquire();
  };
  await once();
  const duration = await timed(async () => {
    for (let i = 0; i < count; i++) await once();
  }, count);
  await child.join();
  return duration;
}

/** From set() until the one who waits goes on. */
async function latency(useSync: boolean): Promise<number> {
  const count = 200;
  const [event, ready] = [new Event(), new Semaphore(0)];
  const woken = new RawValue('d');
  const child = started(async () => {
    for (let i = 0; i < count; i++) {
      ready.release();
      if (useSync) event.waitSync();
      else await event.wait();
      woken.value = nanoseconds();
      event.clear();
    }
  });
  const durations: number[] = [];
  for (let i = 0; i < count; i++) {
    await ready.acquire();
    await sleep(1);
    const start = nanoseconds();
    event.set();
    while (event.isSet()) await sleep(0);
    durations.push(woken.value - start);
  }
  await child.join();
  return median(durations);
}

/** A row: its title, its name in sync.py, and how to measure it. */
const OPERATIONS: [name: string, order: string, run: () => Promise<number>][] = [
  ['Lock: acquireSync, release', 'lock', () => pairs(lock)],
  ['Lock: await acquire, release', 'lock', awaitedPairs],
  ['RLock: acquireSync, release', 'rlock', () => pairs(recursive)],
  ['Semaphore: acquireSync, release', 'semaphore', () => pairs(semaphore)],
  ['Value: read under its lock', 'read', () => busy(read, N)],
  ['Value: += 1 under its lock', 'increment', () => busy(increment, N)],
  ['RawValue: += 1', 'increment raw', () => busy(incrementRaw, N)],
  ['Lock: 2 processes want it', 'two', () => contended(2)],
  ['Lock: 8 processes want it', 'eight', () => contended(8)],
  ['Semaphore: there and back', 'ping-pong', pingPong],
  ['Semaphore: there and back, awaited', 'ping-pong', awaitedPingPong],
  ['Event: from set to waitSync', 'latency', () => latency(true)],
  ['Event: from set to await wait', 'latency', () => latency(false)],
];

const python = new Python('sync.py');
const ours = OPERATIONS.map((): number[] => []);
const theirs = OPERATIONS.map((): number[] => []);
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, [, order, run]] of OPERATIONS.entries()) {
    ours[i]!.push(await run());
    theirs[i]!.push(await python.ask<number>(order));
  }
}
await python.end();

console.log(machine());
printTable(
  'Locks and the like, in nanoseconds for one operation',
  ['', 'truefork', 'CPython', 'of CPython'],
  OPERATIONS.map(([name], i) => {
    const [own, other] = [median(ours[i]!), median(theirs[i]!)];
    return [name, own.toFixed(0), other.toFixed(0), ratio(own / other)];
  }),
);
if (Number.isNaN(sink)) throw new Error('computed nonsense');
