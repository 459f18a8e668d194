// How a child leaves the parent's work behind. All of it happens while the frames
// of the parent are still on the stack; then they are abandoned.
import { precompileForChildren } from '../../common/precompiled.js';
import { setExitCode } from '../exit-code.js';
import { abandonStack, resetSignals, restHandles } from '../forked-child.js';
import { nodeInternals } from '../node-internals.js';
import { removeExceptionHandlers } from './exception-handlers.js';
import { isParserPending } from './fetch-parser.js';
import { closeHandles } from './handles.js';
import { forgetConnections } from './http.js';
import { forgetImports, importsUnderWay } from './imports.js';
import { adoptServer, descriptorOf, type Inheritable } from './inherit.js';
import { dropChannel, removeListeners } from './listeners.js';
import { forgetObservers, mayHaveObservers } from './observers.js';
import { openFiles } from './opening-files.js';
import { isInsideTimers } from './stack.js';
import { renewStdStreams, watchStdStreams } from './std-streams.js';
import { renewStreams } from './streams.js';
import { dropTicks } from './ticks.js';
import { stopTimers } from './timers.js';

const STDIN = 0;

/** vm.measureMemory() has a promise until the next collection, and Node warns of its first use. */
function mayBeMeasuringMemory(): boolean {
  return nodeInternals().experimentalWarnings?.has('vm.measureMemory') === true;
}

/** The part of the parent's event loop that the child keeps. */
export class Inheritance {
  readonly #objects: readonly Inheritable[];
  readonly #descriptors: Int32Array;
  /**
   * Node calls its processing of timers until it returns, even after a termination.
   * Where the fork is called from a timer, that call must get through: it finds no
   * timers any more.
   */
  readonly #sparedCalls: number;
  // Found out in the parent, which has less to pay for it: each page that a child writes to is
  // copied.
  readonly #parserIsPending = isParserPending();
  readonly #hasObservers = mayHaveObservers();
  readonly #imports = importsUnderWay();
  readonly #isMeasuring = mayBeMeasuringMemory();

  /** Call it in the parent, where it forks: throws if one of them cannot be inherited. */
  constructor(objects: readonly Inheritable[]) {
    this.#objects = objects;
    this.#descriptors = Int32Array.from(objects, descriptorOf);
    this.#sparedCalls = isInsideTimers() ? 1 : 0;
    watchStdStreams();
    openFiles();
  }

  /** Call it in the child, first of all. */
  accept(): void {
    renewStreams(false);
    closeHandles(this.#objects, this.#descriptors);
    restHandles(this.#descriptors);
    removeExceptionHandlers();
    removeListeners();
    resetSignals();
    dropChannel();
    stopTimers();
    renewStdStreams(this.#descriptors.includes(STDIN));
    forgetConnections(this.#parserIsPending);
    if (this.#hasObservers) forgetObservers();
    if (this.#imports.length > 0) forgetImports(this.#imports);
    dropTicks();
    setExitCode(undefined);
    for (const object of this.#objects) adoptServer(object);
  }

  /** Call it in the child, last of all: calls `begin` from the event loop. */
  abandonParentAnd(begin: () => void): never {
    return abandonStack(begin, this.#descriptors, this.#sparedCalls, this.#isMeasuring);
  }
}

precompileForChildren(Inheritance.prototype.accept, Inheritance.prototype.abandonParentAnd);
