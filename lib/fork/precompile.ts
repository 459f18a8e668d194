// Compiles the functions that only children call, ours (common/precompiled.ts) and Node's, in the
// parent.
import { AsyncResource } from 'node:async_hooks';
import { exitOfNode, nextTick, performance, process } from '../common/originals.js';
import { type AnyFunction, functionsOfChildren } from '../common/precompiled.js';
import { nativeFork } from '../native/fork.js';

/** How often, in milliseconds: V8 throws away the code of functions that nobody calls. */
const PRECOMPILE_INTERVAL_MS = 1000;

// The listeners are those that watch for signals.
const functionsOfNode: AnyFunction[] = [
  ...(process.listeners('removeListener' as 'exit') as AnyFunction[]),
  process.eventNames,
  process.rawListeners,
  process.off,
  process.removeAllListeners,
  process.hasUncaughtExceptionCaptureCallback,
  nextTick,
  exitOfNode,
  AsyncResource.prototype.runInAsyncScope,
  ...[Object.getOwnPropertyDescriptor(process, 'exitCode')?.get].filter((get) => get !== undefined),
];
let last = -Infinity;

// Node compiles what runs ticks with the first of them, which may be a child's.
nextTick(() => {});

/** Call it in the parent, before it forks. */
export function precompile(): void {
  const now = performance.now();
  if (now - last < PRECOMPILE_INTERVAL_MS) return;
  last = now;
  nativeFork.precompile([...functionsOfNode, ...functionsOfChildren()]);
}
