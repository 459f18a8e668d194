// V8 compiles a function when it is first called. What only children call each
// child would compile anew, which takes far longer than running it: so the parent has
// it compiled.
import { AsyncResource } from 'node:async_hooks';
import { exitOfNode, nextTick, performance, process } from '../common/originals.js';
import { native } from '../posix/native.js';

type AnyFunction = (...args: never[]) => unknown;

/** How often, in milliseconds: V8 throws away the code of functions that nobody calls. */
const INTERVAL = 1000;

// Of Node. The listeners are those that watch for signals.
const functions = new Set<AnyFunction>([
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
]);
let last = -Infinity;

// Node compiles what runs ticks with the first of them, which may be a child's.
nextTick(() => {});

/** Registers functions, not classes, that run in children and hardly ever in a parent. */
export function precompileForChildren(...some: AnyFunction[]): void {
  for (const fn of some) functions.add(fn);
}

/** Call it in the parent, before it forks. */
export function precompile(): void {
  const now = performance.now();
  if (now - last < INTERVAL) return;
  last = now;
  native.precompile([...functions]);
}
