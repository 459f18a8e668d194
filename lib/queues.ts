// Queues between processes, as in CPython's multiprocessing.queues.
export { JoinableQueue } from './queues/joinable-queue.js';
export { Queue } from './queues/queue.js';
export type { QueueOptions } from './queues/queue.js';
export { SimpleQueue } from './queues/simple-queue.js';
