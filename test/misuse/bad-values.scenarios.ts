// Whatever is given to whatever can be called: it is taken, or refused by an error with a code.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  Barrier,
  BoundedSemaphore,
  Condition,
  Connection,
  DupFd,
  Event,
  JoinableQueue,
  Listener,
  Lock,
  Manager,
  Pipe,
  Pool,
  Process,
  Queue,
  RawValue,
  RLock,
  Semaphore,
  ShareableList,
  SharedArray,
  SharedMemory,
  SharedMemoryManager,
  SimpleQueue,
  SyncManager,
  Value,
} from 'truefork';
import { children } from '../support/observe.js';
import type { Scenario, Scenarios } from '../support/scenarios.js';
import { constructors, functions, functionsOf, methods, type Subject } from './subjects.js';

/** How long something may take that nothing has to be waited for, in milliseconds. */
const DEADLINE_MS = 60_000;
/** For thousands of calls, on a machine that is busy. */
const TIMEOUT_MS = 300_000;

/** As options of a wait they mean that there is no limit. */
const UNLIMITED: unknown[] = [undefined, 2 ** 53, {}, new Proxy({}, {})];

const BAD_VALUES: unknown[] = [
  ...UNLIMITED,
  null,
  Number.NaN,
  -1,
  1.5,
  1n,
  'x',
  '',
  true,
  Symbol('bad'),
  { unknown: 1 },
  [],
  () => {},
  new Date(),
  ...[Lock, Connection].map((Class) => Object.create(Class.prototype) as object),
];

/** Nothing comes to these. */
const WAIT =
  /^(?:wait|Condition(?:Proxy)?\.wait|JoinableQueue(?:Proxy)?\.join|Listener\.accept|.*Manager\.join)(?:Sync)?$/;

/** The complaint about an error; undefined if nothing is. */
function objectionTo(error: unknown): string | undefined {
  if (!(error instanceof Error)) return 'has thrown what is no error';
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? undefined : `has thrown without a code: ${error.stack}`;
}

async function settled(promise: PromiseLike<unknown>, what: string): Promise<unknown> {
  const timer = setTimeout(() => assert.fail(`${what} hangs`), DEADLINE_MS);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** Objects that were made for a call, or by it. */
function end(made: unknown): void {
  if (made instanceof SharedMemory) made.unlink();
  if (made instanceof ShareableList) made.shm.unlink();
  const isToBeClosed = [Connection, DupFd, Listener, Pool].some((Class) => made instanceof Class);
  if (isToBeClosed) (made as Pool).close();
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && value instanceof Promise;
}

/** Makes a call. Returns what is wrong with how it ended. */
async function objectionAfter(call: () => unknown, what: string): Promise<string | undefined> {
  try {
    const made = call();
    end(isPromise(made) ? await settled(made, what) : made);
    return undefined;
  } catch (error) {
    return objectionTo(error);
  }
}

/** Puts a bad value into a place, behind which there is nothing or what is right. */
async function objectionsTo(subject: Subject, place: number, number: number): Promise<string[]> {
  const objections: string[] = [];
  const args = subject.good.with(place, BAD_VALUES[number]);
  for (const given of [args, args.slice(0, place + 1)]) {
    const what = `${subject.name} with ${given.length} arguments and bad value ${number} in place ${place}`;
    const objection = await objectionAfter(() => subject.call(given), what);
    if (objection !== undefined) objections.push(`${what} ${objection}`);
  }
  return objections;
}

/** Puts each bad value into each place. */
async function checkAll(subjects: readonly Subject[]): Promise<void> {
  const objections: string[] = [];
  for (const subject of subjects) {
    for (let place = 0; place < subject.good.length; place++) {
      for (const [number, bad] of BAD_VALUES.entries()) {
        if (WAIT.test(subject.name) && UNLIMITED.includes(bad)) continue;
        objections.push(...(await objectionsTo(subject, place, number)));
      }
    }
  }
  assert.deepEqual(objections, []);
}

function inPrivateDirectory(run: () => Promise<void>): Scenario {
  const inDirectory = async (): Promise<void> => {
    const directory = mkdtempSync(join(tmpdir(), 'truefork-misuse-'));
    process.chdir(directory);
    try {
      await run();
    } finally {
      rmSync(directory, { recursive: true });
    }
  };
  return { run: inDirectory, options: { timeout: TIMEOUT_MS } };
}

function closedPool(): Pool {
  const pool = new Pool(1);
  pool.close();
  return pool;
}

/** A pool without a task needs no worker. */
function ofPool<T>(make: (pool: Pool) => T): T {
  const pool = new Pool(1);
  const made = make(pool);
  pool.close();
  return made;
}

function connectionWithMessage(): Connection {
  const [a, b] = Pipe();
  b.sendSync(Buffer.alloc(9));
  peers.add(b);
  return a;
}

const peers = new Set<Connection>();

function filled<T extends { putSync(value: unknown): void }>(queue: T): T {
  queue.putSync(1);
  return queue;
}

function set<T extends { set(): void }>(event: T): T {
  event.set();
  return event;
}

/** Objects that nothing has to be waited for. */
const READY: Record<string, () => object> = {
  Barrier: () => new Barrier(1),
  BoundedSemaphore: () => new BoundedSemaphore(),
  Condition: () => new Condition(),
  Connection: connectionWithMessage,
  DupFd: () => new DupFd(0),
  Event: () => set(new Event()),
  JoinableQueue: () => filled(new JoinableQueue()),
  Listener: () => new Listener(),
  Lock: () => new Lock(),
  Pool: closedPool,
  AsyncResult: () => ofPool((pool) => pool.mapAsync((x) => x, [])),
  ResultIterator: () => ofPool((pool) => pool.imap((x) => x, [])),
  Process: () => new Process({ target: () => {} }),
  Queue: () => filled(new Queue()),
  RLock: () => new RLock(),
  RawValue: () => new RawValue('i'),
  Value: () => new Value('i'),
  Semaphore: () => new Semaphore(),
  SharedArray: () => new SharedArray('i', 3),
  SimpleQueue: () => filled(new SimpleQueue()),
  SyncManager: () => new SyncManager(),
};

/** Proxies of what is in the same state. */
function readyProxies(manager: SyncManager): Record<string, () => object> {
  const pool = manager.Pool(1);
  pool.close();
  return {
    ArrayProxy: () => manager.Array('i', 3),
    BarrierProxy: () => manager.Barrier(1),
    ConditionProxy: () => manager.Condition(),
    EventProxy: () => set(manager.Event()),
    JoinableQueueProxy: () => filled(manager.JoinableQueue()),
    LockProxy: () => manager.Lock(),
    PoolProxy: () => pool,
    QueueProxy: () => filled(manager.Queue()),
    SemaphoreProxy: () => manager.Semaphore(),
    ValueProxy: () => manager.Value('i'),
  };
}

export const scenarios: Scenarios = {
  functions: inPrivateDirectory(() => checkAll(functions())),
  constructors: inPrivateDirectory(() => checkAll(constructors())),
  'methods of a SharedMemory': async () => {
    const memory = new SharedMemory({ create: true, size: 1 });
    await checkAll(methods('SharedMemory', () => memory));
    await checkReceivers(memory);
  },
  'methods of a ShareableList': async () => {
    const list = new ShareableList([1, 'x']);
    await checkAll(methods('ShareableList', () => list));
    await checkReceivers(list);
  },
  'methods of a manager': inPrivateDirectory(async () => {
    const manager = Manager();
    await checkAll(methods('Manager', () => manager));
    await manager.shutdown();
  }),
  'methods of a SharedMemoryManager': inPrivateDirectory(async () => {
    const manager = new SharedMemoryManager().start();
    await checkAll(methods('SharedMemoryManager', () => manager));
    await manager.shutdown();
  }),
  'methods of proxies': inPrivateDirectory(async () => {
    const manager = Manager();
    for (const [name, make] of Object.entries(readyProxies(manager))) {
      await checkAll(methods(name, make));
    }
    await manager.shutdown();
  }),
};

/** Receivers that are no objects of the class of `object`, although they may have its prototype. */
function othersThan(object: object): unknown[] {
  const impostor = Object.create(Object.getPrototypeOf(object) as object) as object;
  return [undefined, 5, {}, impostor, new Proxy(object, {})];
}

/** inspect() calls the one, on what has it; the others are as fast as a typed array. */
const UNCHECKED = new Set([String(inspect.custom), 'get value', 'set value']);

/** Calls all methods and accessors of an object on something else. */
async function checkReceivers(object: object): Promise<void> {
  const objections: string[] = [];
  for (const [name, method] of functionsOf(object)) {
    if (UNCHECKED.has(name)) continue;
    for (const receiver of othersThan(object)) {
      const what = `${object.constructor.name}.${name} of ${typeof receiver}`;
      const objection = await objectionAfter(() => {
        const made = method.call(receiver);
        assert.ok(isPromise(made), `${what} has worked`);
        return made;
      }, what);
      if (objection !== undefined) objections.push(`${what} ${objection}`);
    }
  }
  assert.deepEqual(objections, []);
}

for (const [name, make] of Object.entries(READY)) {
  scenarios[`methods of ${name}`] = inPrivateDirectory(async () => {
    await checkAll(methods(name, make));
    await checkReceivers(make());
    assert.deepEqual([...children()], []);
  });
}
