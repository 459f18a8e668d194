// Synchronisation between processes, as in CPython's multiprocessing.synchronize.
export { Barrier } from './barrier.js';
export type { BarrierOptions } from './barrier.js';
export { Condition } from './condition.js';
export { Event } from './event.js';
export { Lock } from './lock.js';
export { RLock } from './rlock.js';
export { BoundedSemaphore, Semaphore } from './semaphore.js';
