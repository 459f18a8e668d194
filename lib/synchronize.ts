// Synchronisation between processes, as in CPython's multiprocessing.synchronize.
export { Barrier } from './synchronize/barrier.js';
export type { BarrierOptions } from './synchronize/barrier.js';
export { Condition } from './synchronize/condition.js';
export { Event } from './synchronize/event.js';
export { Lock } from './synchronize/lock.js';
export { RLock } from './synchronize/rlock.js';
export { BoundedSemaphore, Semaphore } from './synchronize/semaphore.js';
