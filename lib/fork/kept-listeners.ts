// Listeners of ours on `process` that do in a child what they do in its parent, and so need not be
// removed there and added again.
import { precompileForChildren } from '../common/precompiled.js';

const kept = new WeakSet<object>();

/** Marks a listener. Returns it. */
export function keepInChildren<Listener extends (...args: never[]) => unknown>(
  listener: Listener,
): Listener {
  kept.add(listener);
  return listener;
}

export function isKeptInChildren(listener: object): boolean {
  return kept.has(listener);
}

precompileForChildren(isKeptInChildren);
