// The cost of a manager's objects, here and in CPython.
import { asyncProxy, SyncManager } from 'truefork';
import { machine } from './support/machine.js';
import { Python } from './support/python.js';
import { median } from './support/statistics.js';
import { printTable, ratio } from './support/table.js';

const ROUNDS = 9;
const N = 3000;

class Counter {
  #count = 0;

  increment(): number {
    return ++this.#count;
  }
}

class CountingManager extends SyncManager {
  declare Counter: () => Counter;
}

CountingManager.register('Counter', Counter);

const manager = new CountingManager().start();
const dict = manager.dict({ count: 0 });
const list = manager.list([0, 1, 2]);
const lock = manager.Lock();
const queue = manager.Queue();
const counter = manager.Counter();
const kilobyte = Buffer.alloc(1000);
const records = manager.dict<{ record: unknown }>({ record: 0 });
const record = { id: 1, name: 'somebody', tags: ['a', 'b', 'c'], at: 0.5 };
let sink = 0;

function times(run: (i: number) => void): () => number {
  return () => {
    for (let i = 0; i < N; i++) run(i);
    return N;
  };
}

async function together(): Promise<number> {
  const counts = asyncProxy(dict);
  for (let i = 0; i < N; i += 100) {
    await Promise.all(Array.from({ length: 100 }, () => counts.get('count')));
  }
  return N;
}

/** A row: its title, its name in manager.py, and how many times it was done. */
const OPERATIONS: [name: string, order: string, run: () => number | Promise<number>][] = [
  ['dict: get', 'get', times(() => (sink += dict.count))],
  ['dict: set', 'set', times((i) => (dict.count = i))],
  ['dict: += 1', 'add', times(() => (dict.count += 1))],
  [
    'dict: set and get a record',
    'record',
    times(() => ((records.record = record), records.record)),
  ],
  ['dict: set 1000 bytes', 'bytes', times(() => (records.record = kilobyte))],
  ['list: get', 'index', times(() => (sink += list[1]!))],
  ['list: append and pop', 'append', times(() => (list.push(1), list.pop()))],
  ['Lock: acquire and release', 'lock', times(() => lock.withSync(() => {}))],
  ['Queue: put and get', 'queue', times((i) => (queue.putSync(i), queue.getSync()))],
  ['a method of a class', 'method', times(() => (sink += counter.increment()))],
  ['dict: get, 100 at a time; in CPython one by one', 'get', together],
  ['make a dict', 'make', times(() => manager.dict())],
];

async function microseconds(run: () => number | Promise<number>): Promise<number> {
  const start = performance.now();
  const count = await run();
  return ((performance.now() - start) * 1e3) / count;
}

const python = new Python('manager.py');
const ours = OPERATIONS.map((): number[] => []);
const theirs = OPERATIONS.map((): number[] => []);
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, [, order, run]] of OPERATIONS.entries()) {
    ours[i]!.push(await microseconds(run));
    theirs[i]!.push(await python.ask<number>(order));
  }
}
await python.end();
await manager.shutdown();

console.log(machine());
printTable(
  'Objects of a manager, in microseconds for one operation',
  ['', 'truefork', 'CPython', 'of CPython'],
  OPERATIONS.map(([name], i) => {
    const [own, other] = [median(ours[i]!), median(theirs[i]!)];
    return [name, own.toFixed(1), other.toFixed(1), ratio(own / other)];
  }),
);
if (Number.isNaN(sink)) throw new Error('computed nonsense');
