// Messages between two processes, here and in CPython.
import { type Connection, Pipe, Process } from 'truefork';
import { machine } from './support/machine.js';
import { Python } from './support/python.js';
import { median } from './support/statistics.js';
import { printTable, ratio } from './support/table.js';

const ROUNDS = 9;
/** The share of the round trips that is done before the measurement begins. */
const WARM_UP = 0.4;

const small = Buffer.alloc(64);
const big = Buffer.alloc(64 * 2 ** 20);
const object = { id: 1, name: 'a name', list: [1, 2, 3] };
const [, given] = Pipe();

type Side = (connection: Connection) => void | Promise<void>;

// The work of the other process, until the end.
const echoBytesSync: Side = (connection) => {
  for (;;) {
    const message = connection.recvBytesSync();
    if (message.length === 0) return;
    connection.sendBytesSync(message);
  }
};

const echoBytes: Side = async (connection) => {
  for (;;) {
    const message = await connection.recvBytes();
    if (message.length === 0) return;
    await connection.sendBytes(message);
  }
};

const echoValuesSync: Side = (connection) => {
  for (;;) {
    const value = connection.recvSync();
    if (value === null) return;
    connection.sendSync(value);
  }
};

const echoValues: Side = async (connection) => {
  for await (const value of connection) {
    if (value === null) return;
    await connection.send(value);
  }
};

const takeSync: Side = (connection) => {
  for (;;) {
    const received = connection.recvSync() as Connection | null;
    if (received === null) return;
    received.close();
    connection.sendSync(1);
  }
};

// One round trip.
const bytesTripSync: Side = (connection) => {
  connection.sendBytesSync(small);
  connection.recvBytesSync();
};

const bytesTrip: Side = async (connection) => {
  await connection.sendBytes(small);
  await connection.recvBytes();
};

const bigTripSync: Side = (connection) => {
  connection.sendBytesSync(big);
  connection.recvBytesSync();
};

const bigTrip: Side = async (connection) => {
  await connection.sendBytes(big);
  await connection.recvBytes();
};

function tripSync(value: unknown): Side {
  return (connection) => {
    connection.sendSync(value);
    connection.recvSync();
  };
}

function trip(value: unknown): Side {
  return async (connection) => {
    await connection.send(value);
    await connection.recv();
  };
}

const NO_BYTES = Buffer.alloc(0);
const endBytes: Side = (connection) => connection.sendBytesSync(NO_BYTES);
const endValues: Side = (connection) => connection.sendSync(null);

interface Operation {
  name: string;
  /** The name in pipe.py. */
  order: string;
  target: Side;
  trip: Side;
  end: Side;
  count: number;
}

const OPERATIONS: Operation[] = [
  {
    name: '64 bytes, blocking',
    order: 'bytes',
    target: echoBytesSync,
    trip: bytesTripSync,
    end: endBytes,
    count: 5000,
  },
  {
    name: '64 bytes',
    order: 'bytes',
    target: echoBytes,
    trip: bytesTrip,
    end: endBytes,
    count: 5000,
  },
  {
    name: 'a Buffer of 64 bytes as a value, blocking',
    order: 'values',
    target: echoValuesSync,
    trip: tripSync(small),
    end: endValues,
    count: 5000,
  },
  {
    name: 'a Buffer of 64 bytes as a value',
    order: 'values',
    target: echoValues,
    trip: trip(small),
    end: endValues,
    count: 5000,
  },
  {
    name: 'a small object, blocking',
    order: 'objects',
    target: echoValuesSync,
    trip: tripSync(object),
    end: endValues,
    count: 5000,
  },
  {
    name: 'a small object',
    order: 'objects',
    target: echoValues,
    trip: trip(object),
    end: endValues,
    count: 5000,
  },
  {
    name: '64 MiB, blocking',
    order: 'big',
    target: echoBytesSync,
    trip: bigTripSync,
    end: endBytes,
    count: 3,
  },
  { name: '64 MiB', order: 'big', target: echoBytes, trip: bigTrip, end: endBytes, count: 3 },
  {
    name: 'a connection, and an answer',
    order: 'descriptor',
    target: takeSync,
    trip: tripSync(given),
    end: endValues,
    count: 300,
  },
];

/** In microseconds. */
async function measure({ target, trip: once, end, count }: Operation): Promise<number> {
  const [ours, theirs] = Pipe();
  const child = new Process({ target: () => target(theirs) });
  child.start();
  const repeat = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const done = once(ours);
      if (done !== undefined) await done;
    }
  };
  // Code that a child has to compile, and memory that both have touched for the first time, is no
  // part of a message.
  await repeat(Math.ceil(count * WARM_UP));
  const start = performance.now();
  await repeat(count);
  const elapsed = performance.now() - start;
  await end(ours);
  await child.join();
  ours.close();
  theirs.close();
  return (elapsed / count) * 1000;
}

const only = process.argv[2] ?? '';
const operations = OPERATIONS.filter(({ order }) => order.includes(only));
const python = new Python('pipe.py');
const ours = operations.map((): number[] => []);
const theirs = operations.map((): number[] => []);
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, operation] of operations.entries()) {
    ours[i]!.push(await measure(operation));
    theirs[i]!.push(await python.ask<number>(operation.order));
  }
}
await python.end();

console.log(machine());
printTable(
  'A message and its echo, in microseconds',
  ['', 'truefork', 'CPython', 'of CPython'],
  operations.map(({ name }, i) => {
    const [own, other] = [median(ours[i]!), median(theirs[i]!)];
    return [name, own.toFixed(1), other.toFixed(1), ratio(own / other)];
  }),
);
