// How a child leaves the parent's work behind. All of it happens while the frames
// of the parent are still on the stack; then they are abandoned.
import { abandonStack, resetSignals, restHandles } from '../posix/forked-child.js';
import { currentStack } from '../stack.js';
import { forgetConnections } from './http.js';
import { adoptServer, descriptorOf, type Inheritable } from './inherit.js';
import { dropChannel, removeListeners } from './listeners.js';
import { renewStdStreams } from './std-streams.js';
import { dropTicks } from './ticks.js';
import { stopTimers } from './timers.js';

/** What the child keeps of the parent's event loop. */
export class Inheritance {
  readonly #objects: readonly Inheritable[];
  readonly #descriptors: Int32Array;

  /** Call it in the parent: throws if one of them cannot be inherited. */
  constructor(objects: readonly Inheritable[]) {
    this.#objects = objects;
    this.#descriptors = Int32Array.from(objects, descriptorOf);
  }

  /** Call it in the child, first of all. */
  accept(): void {
    restHandles(this.#descriptors);
    resetSignals();
    removeListeners();
    dropChannel();
    stopTimers();
    renewStdStreams();
    forgetConnections();
    dropTicks();
    process.exitCode = undefined;
    for (const object of this.#objects) adoptServer(object);
  }

  /** Call it in the child, last of all: calls `begin` from the event loop. */
  abandonParentAnd(begin: () => void): never {
    return abandonStack(begin, this.#descriptors, callsToSpare());
  }
}

/**
 * Node calls its processing of timers until it returns, even after a termination.
 * Where the fork was called from a timer, that call must get through: it finds no
 * timers any more.
 */
function callsToSpare(): number {
  return /\bprocessTimers \(node:internal\/timers:/.test(currentStack()) ? 1 : 0;
}
