/**
 * truefork: a real fork() for Node, and multiprocessing on top of it.
 *
 * @module
 */
export {
  Client,
  ClientSync,
  Connection,
  Listener,
  Pipe,
  wait,
  waitSync,
} from './connection/index.js';
export type {
  Address,
  ClientOptions,
  Directions,
  Family,
  ListenerOptions,
  SyncClientOptions,
  Waitable,
} from './connection/index.js';
export { cpuCount } from './process/cpu-count.js';
export {
  AbortError,
  AuthenticationError,
  BrokenBarrierError,
  BrokenPoolError,
  BufferTooShort,
  Empty,
  EOFError,
  Full,
  ProcessError,
  TimeoutError,
  WorkerLostError,
} from './common/errors.js';
export type { ErrorCode, SystemError } from './common/errors.js';
export { DupFd } from './serialize/handles.js';
export { inChild } from './in-child/in-child.js';
export {
  asyncProxy,
  BaseManager,
  BaseProxy,
  callMethod,
  getValue,
  Manager,
  SharedMemoryManager,
  SyncManager,
} from './managers/index.js';
export type {
  Async,
  AsyncDict,
  AsyncList,
  AsyncProxy,
  ManagerOptions,
  ManagerServer,
  RegisterOptions,
} from './managers/index.js';
export { ParentProcess } from './process/parent-process.js';
export type { ResourceUsage } from './posix/wait.js';
export { AsyncResult, Pool, ResultIterator } from './pool/pool.js';
export type {
  Callbacks,
  ImapOptions,
  Input,
  MapOptions,
  PoolOptions,
  PoolStatistics,
  Progress,
  TaskOptions,
} from './pool/pool.js';
export { activeChildren, currentProcess, parentProcess, Process, reap } from './process/process.js';
export type { Inheritable, ProcessOptions } from './process/options.js';
export { JoinableQueue, Queue, SimpleQueue } from './queues/index.js';
export type { QueueOptions } from './queues/index.js';
export { RawArray, SharedArray } from './sharedctypes/array.js';
export type {
  ArrayInit,
  RawArrayConstructor,
  SharedArrayConstructor,
  SharedArrayMethods,
} from './sharedctypes/array.js';
export { ShareableList } from './memory/shareable-list.js';
export type { Shareable, ShareableListOptions } from './memory/shareable-list.js';
export { SharedMemory } from './memory/shared-memory.js';
export type { SharedMemoryOptions } from './memory/shared-memory.js';
export { RawValue, Value } from './sharedctypes/value.js';
export type { DataLock, LockOptions } from './sharedctypes/data-lock.js';
export type { ArrayTypes, ElementOf, TypeCode, ValueOf } from './sharedctypes/type-codes.js';
export {
  Barrier,
  BoundedSemaphore,
  Condition,
  Event,
  Lock,
  RLock,
  Semaphore,
} from './synchronize/index.js';
export type { BarrierOptions } from './synchronize/index.js';
export type { SyncWaitOptions, WaitOptions } from './common/waiting.js';
