// Knows whether worker_threads Workers are alive: a fork may catch them at a bad
// moment.
import { subscribe } from 'node:diagnostics_channel';
import { Worker } from 'node:worker_threads';
import { emitWarning } from '../common/originals.js';
import { precompileForChildren } from '../common/precompiled.js';
import { haveHooks } from './loader-hooks.js';
import { instancesOf } from './node-internals.js';

const workers = new Set<Worker>();

function add(worker: Worker): void {
  workers.add(worker);
  worker.once('exit', () => workers.delete(worker));
}

// Node publishes each new Worker.
subscribe('worker_threads', (message) => {
  add((message as { worker: Worker }).worker);
});

/**
 * Others that are older than this module go unnoticed; to look for them takes a garbage collection.
 */
let mayHaveOlder = haveHooks();

function findOlder(): void {
  mayHaveOlder = false;
  for (const worker of instancesOf(Worker.prototype)) {
    const isPrototype = Object.hasOwn(worker, 'constructor');
    if (!isPrototype && worker.threadId >= 0 && !workers.has(worker)) add(worker);
  }
}

/** The one that runs the hooks of module.register(): see loader-hooks.ts. */
function isNodesOwn(worker: Worker): boolean {
  return worker.constructor.name === 'InternalWorker';
}

let hasWarned = false;

export function countWorkers(): number {
  if (mayHaveOlder) findOlder();
  return workers.size;
}

/** In a forked child: those that are not there. It has none, and need not stay alive for them. */
export function takeWorkers(): Worker[] {
  const lost = [...workers];
  for (const worker of lost) worker.unref();
  workers.clear();
  return lost.filter((worker) => !isNodesOwn(worker));
}

/** Call it where a process forks. */
export function warnOfWorkers(): void {
  if (hasWarned || countWorkers() === 0 || [...workers].every(isNodesOwn)) return;
  hasWarned = true;
  emitWarning(
    'A process with worker_threads Workers was forked. In the child they are seen as ended, and a lock ' +
      'that one of them held at that moment stays locked there. Fork before you start Workers, or ' +
      'while they are idle, and start those that a child needs in the child.',
    { type: 'TrueforkWarning', code: 'TRUEFORK_JS_WORKERS' },
  );
}

precompileForChildren(takeWorkers, isNodesOwn);
