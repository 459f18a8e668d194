// The life of a child, once its parent's is behind it.
import { AsyncResource } from 'node:async_hooks';
import { inspect } from 'node:util';
import { endsNaturally } from '../posix/leave.js';
import { startThreadPool } from '../posix/slow-jobs.js';

/** What Node exits with if the program waits for a promise that nothing can settle. */
const UNSETTLED = 13;

function reportAndExit(name: string, error: unknown): never {
  // In one write: other processes print as well.
  process.stderr.write(`Process ${name}:\n${inspect(error)}\n`);
  process.exit(1);
}

/**
 * Runs `target` until it settles, and the process as long as anything keeps its
 * event loop alive.
 */
async function live(name: string, target: () => unknown): Promise<void> {
  let isSettled = false;
  process.once('exit', () => {
    if (!isSettled && endsNaturally()) process.exitCode ??= UNSETTLED;
  });
  try {
    await target();
    isSettled = true;
  } catch (error) {
    isSettled = true;
    reportAndExit(name, error);
  }
}

/**
 * Makes the function that a child begins with. Call it where the process was
 * started: `target` runs in that asynchronous context.
 */
export function makeMain(name: string, target: () => unknown): () => void {
  const context = new AsyncResource('TrueforkProcess');
  return () => {
    startThreadPool();
    context.runInAsyncScope(() => void live(name, target));
  };
}
