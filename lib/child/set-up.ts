// How a child leaves the parent's work behind. All of it happens while the frames
// of the parent are still on the stack; then they are abandoned.
import { abandonStack, resetSignals, restHandles } from '../posix/forked-child.js';
import { forgetConnections } from './http.js';
import { adoptServer, descriptorOf, type Inheritable } from './inherit.js';
import { dropChannel, removeListeners } from './listeners.js';
import { isInsideTimers } from './stack.js';
import { renewStdStreams, watchStdStreams } from './std-streams.js';
import { dropTicks } from './ticks.js';
import { stopTimers } from './timers.js';
import { precompileForChildren } from '../posix/precompile.js';

const STDIN = 0;

/** What the child keeps of the parent's event loop. */
export class Inheritance {
  readonly #objects: readonly Inheritable[];
  readonly #descriptors: Int32Array;
  /**
   * Node calls its processing of timers until it returns, even after a termination.
   * Where the fork is called from a timer, that call must get through: it finds no
   * timers any more.
   */
  readonly #sparedCalls: number;

  /** Call it in the parent, where it forks: throws if one of them cannot be inherited. */
  constructor(objects: readonly Inheritable[]) {
    this.#objects = objects;
    this.#descriptors = Int32Array.from(objects, descriptorOf);
    this.#sparedCalls = isInsideTimers() ? 1 : 0;
    watchStdStreams();
  }

  /** Call it in the child, first of all. */
  accept(): void {
    restHandles(this.#descriptors);
    removeListeners();
    resetSignals();
    dropChannel();
    stopTimers();
    renewStdStreams(this.#descriptors.includes(STDIN));
    forgetConnections();
    dropTicks();
    process.exitCode = undefined;
    for (const object of this.#objects) adoptServer(object);
  }

  /** Call it in the child, last of all: calls `begin` from the event loop. */
  abandonParentAnd(begin: () => void): never {
    return abandonStack(begin, this.#descriptors, this.#sparedCalls);
  }
}

precompileForChildren(Inheritance.prototype.accept, Inheritance.prototype.abandonParentAnd);
