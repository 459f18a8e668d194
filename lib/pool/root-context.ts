// The asynchronous context of things that outlive the calls in which they are made.
import { AsyncResource } from 'node:async_hooks';

const root = new AsyncResource('TrueforkPool');

/**
 * Runs `action` in the asynchronous context that this module was loaded in. A timer keeps the
 * context that it is made in, and a pool's timers outlive the calls that they are made in.
 */
export function inRootContext<T>(action: () => T): T {
  return root.runInAsyncScope(action);
}
