// The last duties of a process towards its queues, before it ends.
import { process } from '../common/originals.js';
import { onForkedChild } from '../common/per-process.js';
import { precompileForChildren } from '../common/precompiled.js';
import { keepInChildren } from '../fork/kept-listeners.js';

export interface Leaver {
  /** Called when the process ends by itself. */
  leave(): void;
}

const leavers = new Set<Leaver>();

function leaveAll(): void {
  // Each once: one that cannot leave comes back into the set.
  for (const leaver of Array.from(leavers)) leaver.leave();
}

/** From here on `leaver` is called. */
export function addLeaver(leaver: Leaver): void {
  leavers.add(leaver);
  if (leavers.size > 1) return;
  // First of all: others may be waiting for what is to come from here.
  if (process.listeners('exit').includes(leaveAll)) return;
  process.prependListener('exit', keepInChildren(leaveAll));
}

export function removeLeaver(leaver: Leaver): void {
  leavers.delete(leaver);
}

function forgetParents(): void {
  leavers.clear();
}

onForkedChild(forgetParents);
precompileForChildren(leaveAll);
