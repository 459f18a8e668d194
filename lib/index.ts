/**
 * truefork: a real fork() for Node, and multiprocessing on top of it.
 *
 * @module
 */
export { Client, ClientSync, Connection, Listener, Pipe, wait, waitSync } from './connection.js';
export type {
  Address,
  ClientOptions,
  Directions,
  Family,
  ListenerOptions,
  SyncClientOptions,
  Waitable,
} from './connection.js';
export { cpuCount } from './cpu-count.js';
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
} from './errors.js';
export type { ErrorCode, SystemError } from './errors.js';
export { DupFd } from './handles.js';
export { inChild } from './in-child.js';
export {
  asyncProxy,
  BaseManager,
  BaseProxy,
  callMethod,
  getValue,
  Manager,
  SharedMemoryManager,
  SyncManager,
} from './managers.js';
export type {
  Async,
  AsyncDict,
  AsyncList,
  AsyncProxy,
  ManagerOptions,
  ManagerServer,
  RegisterOptions,
} from './managers.js';
export { ParentProcess } from './parent-process.js';
export type { ResourceUsage } from './posix/wait.js';
export { AsyncResult, Pool, ResultIterator } from './pool.js';
export type {
  Callbacks,
  ImapOptions,
  Input,
  MapOptions,
  PoolOptions,
  PoolStatistics,
  Progress,
  TaskOptions,
} from './pool.js';
export { activeChildren, currentProcess, parentProcess, Process, reap } from './process.js';
export type { Inheritable, ProcessOptions } from './process.js';
export { JoinableQueue, Queue, SimpleQueue } from './queues.js';
export type { QueueOptions } from './queues.js';
export { RawArray, SharedArray } from './shared-array.js';
export type {
  ArrayInit,
  RawArrayConstructor,
  SharedArrayConstructor,
  SharedArrayMethods,
} from './shared-array.js';
export { ShareableList } from './shareable-list.js';
export type { Shareable, ShareableListOptions } from './shareable-list.js';
export { SharedMemory } from './shared-memory.js';
export type { SharedMemoryOptions } from './shared-memory.js';
export { RawValue, Value } from './sharedctypes.js';
export type { DataLock, LockOptions } from './data-lock.js';
export type { ArrayTypes, ElementOf, TypeCode, ValueOf } from './type-codes.js';
export {
  Barrier,
  BoundedSemaphore,
  Condition,
  Event,
  Lock,
  RLock,
  Semaphore,
} from './synchronize.js';
export type { BarrierOptions } from './synchronize.js';
export type { SyncWaitOptions, WaitOptions } from './waiting.js';
