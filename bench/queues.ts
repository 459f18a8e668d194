// Items per second through a queue between processes, here and in CPython, and through a
// MessagePort between threads.
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { Event, Process, Queue, SimpleQueue } from 'truefork';
import { machine } from './support/machine.js';
import { Python } from './support/python.js';
import { median } from './support/statistics.js';
import { printTable, ratio } from './support/table.js';

const ROUNDS = 3;
/** The items that go through, how many in one measurement, and how many can be in the queue. */
const ITEMS: [name: string, item: unknown, count: number, maxsize: number][] = [
  ['8 B', Buffer.alloc(8, 1), 20_000, 0],
  ['64 B', Buffer.alloc(64, 1), 20_000, 0],
  ['1 KB', Buffer.alloc(1024, 1), 10_000, 0],
  ['64 KB', Buffer.alloc(65_536, 1), 1000, 0],
  ['64 KB', Buffer.alloc(65_536, 1), 1000, 16],
  ['object', { id: 1, name: 'abc', ok: true, list: [1, 2, 3] }, 10_000, 0],
];
/** How many times as many go through ours: V8 compiles what runs for a while. */
const MORE = 10;
const SHAPES: [producers: number, consumers: number][] = [
  [1, 1],
  [4, 1],
  [1, 4],
  [4, 4],
];
const ROUND_TRIPS = 2000;
type Name = 'Queue' | 'SimpleQueue';

function start(target: () => void): Process {
  const child = new Process({ target });
  child.start();
  return child;
}

/** Starts them all, lets them go at once, and returns the seconds until the last is done. */
async function time(targets: (() => void)[]): Promise<number> {
  const go = new Event();
  const ready = new Queue();
  const done = new Queue();
  const children = targets.map((target) =>
    start(() => {
      ready.putSync(0);
      go.waitSync();
      target();
      done.putSync(0);
    }),
  );
  for (const _ of children) await ready.get();
  const begin = performance.now();
  go.set();
  for (const _ of children) await done.get();
  const seconds = (performance.now() - begin) / 1000;
  for (const child of children) await child.join();
  return seconds;
}

function throughput(
  name: Name,
  item: unknown,
  count: number,
  maxsize: number,
  [producers, consumers]: readonly [number, number],
): Promise<number> {
  const queue = name === 'Queue' ? new Queue(maxsize) : new SimpleQueue();
  const produce = (): void => {
    for (let i = 0; i < count / producers; i++) queue.putSync(item);
  };
  const consume = (): void => {
    for (let i = 0; i < count / consumers; i++) queue.getSync();
  };
  return time([
    ...Array.from({ length: producers }, () => produce),
    ...Array.from({ length: consumers }, () => consume),
  ]);
}

/** One way, in seconds. */
async function latency(): Promise<number> {
  const [there, back] = [new Queue(), new Queue()];
  const item = Buffer.alloc(64);
  const echo = start(() => {
    for (let i = 0; i < ROUND_TRIPS; i++) back.putSync(there.getSync());
  });
  const begin = performance.now();
  for (let i = 0; i < ROUND_TRIPS; i++) {
    there.putSync(item);
    back.getSync();
  }
  const seconds = (performance.now() - begin) / 1000;
  await echo.join();
  return seconds / ROUND_TRIPS / 2;
}

const SENDER = `
const { parentPort, workerData: { port, item, count } } = require('node:worker_threads');
parentPort.once('message', () => {
  for (let i = 0; i < count; i++) port.postMessage(item);
});`;
const RECEIVER = `
const { parentPort, workerData: { port, count } } = require('node:worker_threads');
let left = count;
port.on('message', () => {
  if (--left === 0) parentPort.postMessage(0);
});`;

async function messagePort(item: unknown, count: number): Promise<number> {
  const { port1, port2 } = new MessageChannel();
  const [sender, receiver] = [
    new Worker(SENDER, {
      eval: true,
      workerData: { port: port1, item, count },
      transferList: [port1],
    }),
    new Worker(RECEIVER, { eval: true, workerData: { port: port2, count }, transferList: [port2] }),
  ];
  await Promise.all([once(sender, 'online'), once(receiver, 'online')]);
  const begin = performance.now();
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- no window
  sender.postMessage(0);
  await once(receiver, 'message');
  const seconds = (performance.now() - begin) / 1000;
  await Promise.all([sender.terminate(), receiver.terminate()]);
  return seconds;
}

const python = new Python('queues.py');
const rows: string[][] = [];
for (const [itemName, item, count, maxsize] of ITEMS) {
  for (const shape of SHAPES) {
    const rates: Record<string, number[]> = {};
    const note = (name: string, rate: number): void => void (rates[name] ??= []).push(rate);
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of ['Queue', 'SimpleQueue'] as const) {
        if (name === 'SimpleQueue' && maxsize > 0) continue;
        const most = MORE * count;
        note(name, most / (await throughput(name, item, most, maxsize, shape)));
        const order = `${name} ${shape.join(' ')} ${itemName.replace(' ', '')} ${count} ${maxsize}`;
        note(`CPython ${name}`, count / (await python.ask<number>(order)));
      }
      if (shape === SHAPES[0]) note('MessagePort', count / (await messagePort(item, count)));
    }
    const thousands = (name: string): string =>
      rates[name] === undefined ? '' : (median(rates[name]) / 1000).toFixed(1);
    const compared = (name: Name): string =>
      rates[name] === undefined
        ? ''
        : ratio(median(rates[name]) / median(rates[`CPython ${name}`]!));
    const limit = maxsize > 0 ? `, at most ${maxsize}` : '';
    rows.push([
      `${itemName}${limit}, ${shape.join('x')}`,
      thousands('Queue'),
      thousands('CPython Queue'),
      compared('Queue'),
      thousands('SimpleQueue'),
      thousands('CPython SimpleQueue'),
      compared('SimpleQueue'),
      thousands('MessagePort'),
    ]);
    console.error(rows.at(-1)!.join('\t'));
  }
}
const ours: number[] = [];
const theirs: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  ours.push(await latency());
  theirs.push(await python.ask<number>(`latency ${ROUND_TRIPS}`));
}
await python.end();

console.log(machine());
printTable(
  'Thousands of items per second; producers x consumers',
  ['', 'Queue', 'CPython', 'ratio', 'SimpleQueue', 'CPython', 'ratio', 'MessagePort'],
  rows,
);
printTable(
  'One way of 64 B, in microseconds',
  ['', 'truefork', 'CPython', 'of CPython'],
  [
    [
      'Queue',
      (median(ours) * 1e6).toFixed(1),
      (median(theirs) * 1e6).toFixed(1),
      ratio(median(ours) / median(theirs)),
    ],
  ],
);
