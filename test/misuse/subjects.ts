// The functions and methods of the package, found by reflection, and how to call it so that it
// neither waits nor forks.
import * as truefork from 'truefork';
import * as posix from 'truefork/posix';

type AnyFunction = (...args: unknown[]) => unknown;
type Class = (new (...args: unknown[]) => object) & { prototype: object };

/** Something to call. Each call is made by another object. */
export interface Subject {
  name: string;
  /** Arguments that are right, as far as there are any: one of them at a time is made a bad one. */
  good: readonly unknown[];
  call(args: readonly unknown[]): unknown;
}

const exported = Object.entries({ ...truefork, ...posix } as Record<string, unknown>);

function isClass(value: unknown): value is Class {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
}

/** Errors are made by this package, for others to catch. */
function isErrorClass(Class: Class): boolean {
  return Class.prototype instanceof Error;
}

/** The classes that programs make objects of, and those that they only get some of. */
export const classes: [string, Class][] = exported.filter(
  (entry): entry is [string, Class] => isClass(entry[1]) && !isErrorClass(entry[1]),
);

const NOT_CALLED = new Set([
  // They end or double this process, or whatever a bad pid stands for.
  '_exit',
  'fork',
  'kill',
  // A server of its own each time.
  'Manager',
]);

function add(a: number, b: number): number {
  return a + b;
}

/** Right arguments by name, where a bad one can only be found behind them, or is one of several. */
const GOOD: Readonly<Record<string, () => unknown[]>> = {
  Barrier: () => [2, {}],
  Client: () => ['nowhere', {}],
  ClientSync: () => ['nowhere', {}],
  Listener: () => [undefined, {}],
  Pool: () => [1, add, [1], 1],
  Queue: () => [0, {}],
  JoinableQueue: () => [0, {}],
  RawValue: () => ['i', 1],
  Value: () => ['i', 1, {}],
  RawArray: () => ['i', 1],
  SharedArray: () => ['i', 1, {}],
  ShareableList: () => [[1], {}],
  Connection: () => [posix.pipe()[0], {}],
  wait: () => [[], 1],
  waitSync: () => [[], 1],
  callMethod: () => [undefined, 'get'],
  decodeWaitStatus: () => [1, 0],
  dup2: () => [posix.pipe()[0], 99],
  ftruncate: () => [posix.pipe()[0], 1],
  mmap: () => [4096, 3, 33, -1, 0],
  pidfdSendSignal: () => [posix.pipe()[0], 0],
  read: () => [posix.socketpair()[0], Buffer.alloc(0), 0, 0],
  write: () => [posix.pipe()[1], Buffer.alloc(1), 0, 1],
  sendFds: () => [posix.socketpair()[0], [], Buffer.alloc(1)],
  recvFds: () => {
    const [a, b] = posix.socketpair();
    // One byte for each call.
    posix.sendFds(a, [], Buffer.alloc(1000));
    return [b, Buffer.alloc(1), 1];
  },
  shmOpen: () => ['/truefork-nowhere', 0, 0],
  semOpen: () => ['/truefork-nowhere', 0, 0, 0],
  semWait: () => [99, 1],
  waitpid: () => [1, 0],
  wait4: () => [1, 0],
  'AsyncResult.then': () => [add, add],
  'BaseManager.create': () => ['dict'],
  'BaseManager.register': () => ['Thing', Map, {}],
  'BaseManager.registerFunction': () => [add, 'add'],
  'Connection.recvBytes': () => [Infinity, 1],
  'Connection.recvBytesSync': () => [Infinity, 1],
  'Connection.recvBytesInto': () => [Buffer.alloc(100), 0, 1],
  'Connection.recvBytesIntoSync': () => [Buffer.alloc(100), 0, 1],
  'Connection.send': () => [1, 1],
  'Connection.sendSync': () => [1, 1],
  'Connection.sendBytes': () => [Buffer.alloc(9), 1, 1, 1],
  'Connection.sendBytesSync': () => [Buffer.alloc(9), 1, 1, 1],
  'SharedArray.fill': () => [1, 0, 1],
  'SharedArray.set': () => [0, 1],
  'ShareableList.set': () => [0, 1],
  'RawValue.compareExchange': () => [0, 1],
};

const POOL_METHODS = /^Pool(?:Proxy)?\.(?:apply|map|starmap|imap)/;
const WITH = /\.with(?:Sync)?$/;
const WAIT_FOR = /\.waitFor(?:Sync)?$/;
const PUT = /\.put(?:Sync)?$/;

function goodFor(name: string): unknown[] {
  if (name in GOOD) return GOOD[name]!();
  if (POOL_METHODS.test(name)) return [add, [[1, 2]], {}];
  if (WITH.test(name) || WAIT_FOR.test(name)) return [() => true, 1];
  if (PUT.test(name)) return [1, 1];
  return [undefined];
}

export function functions(): Subject[] {
  const plain = exported
    .filter((entry): entry is [string, AnyFunction] => typeof entry[1] === 'function')
    // SharedArray and RawArray are among them, which need not be called as constructors.
    .filter(([name, value]) => !isClass(value) && !NOT_CALLED.has(name))
    .map(([name, fn]): Subject => ({ name, good: goodFor(name), call: (args) => fn(...args) }));
  return [...plain, ...classes.flatMap(([name, Class]) => staticMethods(name, Class))];
}

function staticMethods(className: string, Class: Class): Subject[] {
  return Object.entries(Object.getOwnPropertyDescriptors(Class))
    .filter(([key, { value }]) => typeof value === 'function' && !LEFT_OUT.has(key))
    .map(([key, { value }]) => ({
      name: `${className}.${key}`,
      good: goodFor(`${className}.${key}`),
      call: (args) => (value as AnyFunction).apply(Class, [...args]),
    }));
}

/** Only pools and processes make these, of what they have. */
const NOT_CONSTRUCTED = new Set(['AsyncResult', 'ResultIterator', 'ParentProcess', 'BaseProxy']);

export function constructors(): Subject[] {
  return classes
    .filter(([name]) => !NOT_CONSTRUCTED.has(name))
    .map(([name, Class]) => ({
      name,
      good: goodFor(name),
      call: (args) => new Class(...args),
    }));
}

const LEFT_OUT = new Set([
  // They fork.
  'start',
  'getServer',
  // The others would have no server.
  'shutdown',
  'shutdownSync',
  // For pools alone: a result would be there twice.
  'fulfill',
  'reject',
  // For subclasses of this package.
  'blockOf',
]);

/** All functions that objects of a class have, by name; of accessors `get name` and `set name`. */
export function functionsOf(object: object): Map<string, AnyFunction> {
  const found = new Map<string, AnyFunction>();
  let prototype = Object.getPrototypeOf(object) as object | null;
  while (prototype !== null && !isOfTheLanguage(prototype)) {
    for (const key of Reflect.ownKeys(prototype)) {
      const { value, get, set } = Object.getOwnPropertyDescriptor(prototype, key)!;
      const named = {
        [String(key)]: value as unknown,
        [`get ${String(key)}`]: get,
        [`set ${String(key)}`]: set,
      };
      for (const [name, fn] of Object.entries(named)) {
        const isNew = name !== 'constructor' && !found.has(name);
        if (isNew && typeof fn === 'function') found.set(name, fn as AnyFunction);
      }
    }
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  return found;
}

function isOfTheLanguage(prototype: object): boolean {
  return /\[native code\]/.test(Function.prototype.toString.call(prototype.constructor));
}

/** All methods of what `make` makes. */
export function methods(className: string, make: () => object): Subject[] {
  return [...functionsOf(make())]
    .filter(([key]) => !LEFT_OUT.has(key))
    .map(([key, method]) => ({
      name: `${className}.${key}`,
      good: goodFor(`${className}.${key}`),
      call: (args) => method.apply(make(), [...args]),
    }));
}
