// Calls that the compiler refuses, as the functions do. It is compiled, and never run.
import {
  Barrier,
  Client,
  ClientSync,
  Connection,
  Event,
  inChild,
  Listener,
  Lock,
  Manager,
  Pipe,
  Pool,
  Process,
  Queue,
  RawValue,
  ShareableList,
  SharedArray,
  SharedMemory,
  SimpleQueue,
  SyncManager,
  Value,
  wait,
  waitSync,
} from 'truefork';
import { registerAtFork } from 'truefork/posix';

function add(a: number, b: number): number {
  return a + b;
}

const { signal } = new AbortController();

export function ofProcesses(): void {
  // @ts-expect-error -- a function in the place of options
  void new Process(add);
  // @ts-expect-error -- another spelling
  void new Process({ Target: add });
  // @ts-expect-error -- Python's
  void new Process({ target: add, args: [1, 2], kwargs: {} });
  // @ts-expect-error -- not a list
  void new Process({ target: add, args: 1 });
  // @ts-expect-error -- an object in the place of a function
  void inChild({ target: add });
  // @ts-expect-error -- another spelling
  registerAtFork({ afterInchild() {} });
  // @ts-expect-error -- a function in the place of options
  registerAtFork(add);
}

export function ofPools(pool: Pool): void {
  // @ts-expect-error -- another spelling
  void new Pool({ maxtasksperchild: 1 });
  // @ts-expect-error -- another spelling
  void new Pool({ initializer: add, initargs: [1, 2] });
  // @ts-expect-error -- a function in the place of a number
  void new Pool(add);
  // @ts-expect-error -- keyword arguments
  void pool.apply(add, [1, 2], { x: 2 });
  // @ts-expect-error -- a callback in the place of options
  void pool.apply(add, [1, 2], add);
  // @ts-expect-error -- a number in the place of options
  void pool.apply(add, [1, 2], 5);
  // @ts-expect-error -- there is no callback where there is a promise
  void pool.apply(add, [1, 2], { callback: console.log });
  // @ts-expect-error -- a callback in the place of options
  pool.applyAsync(add, [1, 2], console.log);
  // @ts-expect-error -- callbacks are options
  pool.applyAsync(add, [1, 2], {}, console.log);
  // @ts-expect-error -- callbacks are options
  pool.mapAsync(Number, ['1'], 1, console.log);
  // @ts-expect-error -- another spelling
  void pool.map(Number, ['1'], { chunkSize: 1 });
  // @ts-expect-error -- a callback in the place of options
  void pool.map(Number, ['1'], console.log);
  // @ts-expect-error -- an imap ends with what it was asked for last
  pool.imap(Number, ['1'], { settle: true });
}

export function ofWaits(lock: Lock, queue: Queue): void {
  // @ts-expect-error -- a boolean in the place of options, as in Python
  void lock.acquire(false);
  // @ts-expect-error -- a signal in the place of options
  void lock.acquire(signal);
  // @ts-expect-error -- another spelling
  void lock.acquire({ timout: 1 });
  // @ts-expect-error -- nobody could abort it
  lock.acquireSync({ signal });
  // @ts-expect-error -- not a function
  void lock.with(5);
  // @ts-expect-error -- a function in the place of options
  void new Event().wait(add);
  // @ts-expect-error -- a boolean in the place of options, as in Python
  void queue.get(true);
  // @ts-expect-error -- an array in the place of options
  void queue.put(1, []);
  // @ts-expect-error -- another spelling
  void wait([], { time: 1 });
  // @ts-expect-error -- nobody could abort it
  waitSync([], { signal });
}

export function ofObjects(): void {
  // @ts-expect-error -- a function in the place of options
  void new Barrier(2, add);
  // @ts-expect-error -- the same
  void new Barrier(2, add, 5000);
  // @ts-expect-error -- not an object
  void new Barrier(2, null);
  // @ts-expect-error -- the first argument says so
  void new Queue(0, { maxsize: 1 });
  // @ts-expect-error -- a number in the place of options
  void new SimpleQueue(5);
  // @ts-expect-error -- not an object
  void new Value('i', 0, false);
  // @ts-expect-error -- there is no lock
  void new RawValue('i', 0, { lock: false });
  // @ts-expect-error -- another spelling
  void new SharedArray('i', 1, { Lock: false });
  // @ts-expect-error -- a function in the place of options
  void new SharedMemory(add);
  // @ts-expect-error -- another name
  void new SharedMemory({ create: true, length: 1 });
  // @ts-expect-error -- a function in the place of options
  void new ShareableList([1], add);
}

export function ofConnections(connection: Connection): void {
  // @ts-expect-error -- the argument itself
  Pipe({ duplex: false });
  // @ts-expect-error -- another name
  void new Connection(0, { readonly: true });
  // @ts-expect-error -- another spelling
  void new Listener(null, { auth_key: new Uint8Array() });
  // @ts-expect-error -- another spelling
  void Client('path', { authKey: new Uint8Array() });
  // @ts-expect-error -- nobody could abort it
  ClientSync('path', { signal });
  // @ts-expect-error -- a callback in the place of options
  void connection.sendBytes(new Uint8Array(1), add);
  // @ts-expect-error -- options come last
  void connection.sendBytes(new Uint8Array(1), { timeout: 1 }, 3);
}

export function ofManagers(manager: SyncManager): void {
  // @ts-expect-error -- another spelling
  void new SyncManager({ shutdown_timeout: 1 });
  // @ts-expect-error -- it takes none
  Manager({ address: 'path' });
  // @ts-expect-error -- another spelling
  SyncManager.register('Map', Map, { proxytype: Map });
  // @ts-expect-error -- functions are not sent
  manager.Barrier(2, add);
  // @ts-expect-error -- another spelling
  manager.Pool(1, { maxtasksperchild: 1 });
  // @ts-expect-error -- not iterable
  manager.list({});
}
