// PerformanceObservers of the parent are the parent's, and with them the turn of
// the loop in which their callbacks would be called.
import { setImmediate } from '../../common/originals.js';
import { precompileForChildren } from '../../common/precompiled.js';
import { nodeInternals } from '../node-internals.js';

/** The place in `immediateInfo` that says whether Node is in the middle of calling immediates. */
const IS_CALLING = 2;

let isPending = false;

function dispatch(): void {
  isPending = false;
  const { kPending, kDispatch } = nodeInternals();
  const observers = [...kPending!];
  kPending!.clear();
  for (const observer of observers) observer[kDispatch!]!();
}

function add<T>(this: Set<T>, observer: T): Set<T> {
  if (!isPending) setImmediate(dispatch);
  isPending = true;
  return Set.prototype.add.call(this, observer) as Set<T>;
}

/** Call it in the parent, where it forks: whether there are observers, or may have been any. */
export function mayHaveObservers(): boolean {
  const { kObservers, kPending, immediateQueue, immediateInfo } = nodeInternals();
  if (kObservers === undefined || kPending === undefined) return false;
  const hasImmediates = immediateQueue.head !== null || immediateInfo[IS_CALLING] !== 0;
  return kObservers.size > 0 || kPending.size > 0 || hasImmediates;
}

/**
 * Call it in the child. If the parent had news for an observer, Node waits for an immediate of
 * the parent's, which will not come: so the observers of the child get one of their own.
 */
export function forgetObservers(): void {
  isPending = false;
  const { kObservers, kPending } = nodeInternals();
  for (const observer of kObservers!) observer.disconnect();
  Object.defineProperty(kPending, 'add', { value: add, configurable: true });
}

precompileForChildren(forgetObservers);
