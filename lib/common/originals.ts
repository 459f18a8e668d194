// Node's globals as they were when this package was loaded. Test runners and mocks put something of
// their own in their place: a clock that stands still, an exit that throws. Nothing in here waits
// for those. Import from here; the linter refuses the globals.
import { performance as performanceOfNode } from 'node:perf_hooks';
import timers from 'node:timers';
import timersPromises from 'node:timers/promises';
import { runInThisContext } from 'node:vm';

/**
 * Node's own global object: another than ours where modules run in contexts of node:vm, as jest has
 * it.
 */
export const nodeGlobal = runInThisContext('globalThis') as typeof globalThis;

/** jest gives its modules a copy, of which Node knows nothing. */
export const process: NodeJS.Process = nodeGlobal.process;
/** The object that the program's modules see: the same, or such a copy. */
export const copyOfProcess: NodeJS.Process = globalThis.process;

export const setTimeout: typeof timers.setTimeout = timers.setTimeout;
export const setInterval: typeof timers.setInterval = timers.setInterval;
export const setImmediate: typeof timers.setImmediate = timers.setImmediate;
export const clearTimeout: typeof timers.clearTimeout = timers.clearTimeout;
export const clearInterval: typeof timers.clearInterval = timers.clearInterval;
export const clearImmediate: typeof timers.clearImmediate = timers.clearImmediate;
export const sleep: typeof timersPromises.setTimeout = timersPromises.setTimeout;
export const nextTurn: typeof timersPromises.setImmediate = timersPromises.setImmediate;
export const queueMicrotask: typeof globalThis.queueMicrotask = nodeGlobal.queueMicrotask;

export { PerformanceObserver } from 'node:perf_hooks';

/** The clock, in milliseconds, of which the origin does not matter. */
export const performance: { now(): number } = {
  now: performanceOfNode.now.bind(performanceOfNode),
};

export const nextTick: typeof process.nextTick = process.nextTick;
export const emitWarning: typeof process.emitWarning = process.emitWarning;
/** Only to be looked at: it emits 'exit' and looks for the rest of itself in `process`. */
export const exitOfNode: typeof process.exit = process.exit;
