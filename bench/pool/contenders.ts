// Pools that are compared: ours, and those of others.
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { Tinypool } from 'tinypool';
import { Pool } from 'truefork';
import workerpool from 'workerpool';
import { functions, type Name } from './work.js';

function fileOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

const FILE = fileOf('./work.js');

/** A pool that is running. */
export interface Running {
  call(name: Name, arg: unknown): Promise<unknown>;
  map(name: Name, args: readonly unknown[], chunksize?: number): Promise<unknown[]>;
  end(): Promise<unknown>;
}

export interface Contender {
  name: string;
  /** Whether it knows batches of tasks. */
  hasChunks?: boolean;
  /** Whether bytes go as JSON: megabytes of them take minutes. */
  sendsJson?: boolean;
  start(size: number): Running;
}

type Call = Running['call'];

/** For pools that know single calls only. */
function oneByOne(call: Call): Running['map'] {
  return (name, args) => Promise.all(args.map((arg) => call(name, arg)));
}

function startTruefork(size: number): Running {
  const pool = new Pool(size);
  const table = functions as unknown as Record<Name, (arg: unknown) => unknown>;
  return {
    call: (name, arg) => pool.apply(table[name], [arg]),
    map: (name, args, chunksize) => pool.map(table[name], args, { chunksize }),
    end: async () => {
      pool.terminate();
      await pool.join();
    },
  };
}

function startPiscina(size: number): Running {
  const pool = new Piscina({ filename: FILE, minThreads: size, maxThreads: size });
  const call: Call = (name, arg) => pool.run({ name, arg }) as Promise<unknown>;
  return { call, map: oneByOne(call), end: () => pool.destroy() };
}

function startTinypool(runtime: 'worker_threads' | 'child_process', size: number): Running {
  const pool = new Tinypool({ filename: FILE, runtime, minThreads: size, maxThreads: size });
  const call: Call = (name, arg) => pool.run({ name, arg }) as Promise<unknown>;
  return { call, map: oneByOne(call), end: () => pool.destroy() };
}

function startWorkerpool(workerType: 'thread' | 'process', size: number): Running {
  const pool = workerpool.pool(fileOf('./workerpool-worker.js'), {
    workerType,
    minWorkers: size,
    maxWorkers: size,
    forkOpts: { serialization: 'advanced' },
  });
  const call: Call = (name, arg) => pool.exec(name, [arg]);
  return { call, map: oneByOne(call), end: async () => pool.terminate(true) };
}

/** The code that one writes without a library: a few processes, and calls to each in turn. */
function startChildren(size: number): Running {
  const waiting = new Map<number, (value: unknown) => void>();
  const children: ChildProcess[] = Array.from({ length: size }, () => {
    const child = fork(fileOf('./child.js'), { serialization: 'advanced' });
    child.on('message', ({ id, value }: { id: number; value: unknown }) => {
      waiting.get(id)!(value);
      waiting.delete(id);
    });
    return child;
  });
  let last = 0;
  const call: Call = (name, arg) =>
    new Promise((resolve) => {
      const id = ++last;
      waiting.set(id, resolve);
      children[id % size]!.send({ id, name, arg });
    });
  const end = async (): Promise<void> => {
    for (const child of children) child.kill();
  };
  return { call, map: oneByOne(call), end };
}

export const contenders: Contender[] = [
  { name: 'truefork', hasChunks: true, start: startTruefork },
  {
    name: 'tinypool, processes',
    sendsJson: true,
    start: (size) => startTinypool('child_process', size),
  },
  {
    name: 'workerpool, processes',
    start: (size) => startWorkerpool('process', size),
  },
  { name: 'child_process', start: startChildren },
  { name: 'piscina (threads)', start: startPiscina },
  {
    name: 'tinypool, threads',
    start: (size) => startTinypool('worker_threads', size),
  },
  {
    name: 'workerpool, threads',
    start: (size) => startWorkerpool('thread', size),
  },
];
