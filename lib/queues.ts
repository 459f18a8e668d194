// Queues between processes, as in CPython's multiprocessing.queues.
export { Queue } from './queues/queue.js';
export type { QueueOptions } from './queues/queue.js';
