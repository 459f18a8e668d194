// The last duties of a process towards its queues, before it ends.
import { process } from '../common/originals.js';
import { onForkedChild } from '../common/per-process.js';
import { precompileForChildren } from '../common/precompiled.js';
import { keepInChildren } from '../fork/kept-listeners.js';

export interface ExitHook {
  /** Called when the process ends by itself. */
  leave(): void;
}

const exitHooks = new Set<ExitHook>();

function runExitHooks(): void {
  // Each once: one that cannot leave comes back into the set.
  for (const hook of Array.from(exitHooks)) hook.leave();
}

/** From here on `hook` is called. */
export function addExitHook(hook: ExitHook): void {
  exitHooks.add(hook);
  if (exitHooks.size > 1) return;
  // First of all: others may be waiting for what is to come from here.
  if (process.listeners('exit').includes(runExitHooks)) return;
  process.prependListener('exit', keepInChildren(runExitHooks));
}

export function removeExitHook(hook: ExitHook): void {
  exitHooks.delete(hook);
}

function forgetParents(): void {
  exitHooks.clear();
}

onForkedChild(forgetParents);
precompileForChildren(runExitHooks);
