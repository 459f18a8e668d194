// Queues between processes, as in CPython's multiprocessing.queues.
export { JoinableQueue } from './joinable-queue.js';
export { Queue } from './queue.js';
export type { QueueOptions } from './queue.js';
export { SimpleQueue } from './simple-queue.js';
