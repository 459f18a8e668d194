// Knows whether worker_threads Workers are alive: a fork may catch them at a bad
// moment.
import { subscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';

const workers = new Set<Worker>();

// Node publishes each new Worker. Those made before this module was loaded go
// unnoticed.
subscribe('worker_threads', (message) => {
  const { worker } = message as { worker: Worker };
  workers.add(worker);
  worker.once('exit', () => workers.delete(worker));
});

let hasWarned = false;

export function countWorkers(): number {
  return workers.size;
}

/** In a forked child there are none, and it need not stay alive for them. */
export function forgetWorkers(): void {
  for (const worker of workers) worker.unref();
  workers.clear();
}

export function warnOfWorkers(): void {
  if (hasWarned) return;
  hasWarned = true;
  process.emitWarning(
    'A process with worker_threads Workers was forked. They do not exist in the child, and a lock ' +
      'that one of them held at that moment stays locked there. Fork before you start Workers, or ' +
      'while they are idle.',
    { type: 'TrueforkWarning', code: 'TRUEFORK_JS_WORKERS' },
  );
}
