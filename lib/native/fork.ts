// Functions that take Node, V8 and libuv through a fork: native/fork, native/loop, native/node.
import { addon } from './addon.js';

export interface ForkFunctions {
  /** The C++ symbol that this build of Node lacks, if any. Call it first, from the main thread. */
  missingSymbol(): string | undefined;
  isInsideVmTimeout(): boolean;
  isSignalCaught(signal: number): boolean;
  /** Makes V8 compile functions without running them. */
  precompile(functions: ((...args: never[]) => unknown)[]): void;
  /**
   * -EINPROGRESS: V8's workers are not parked yet, or not so many JS Workers are asleep; call
   * again, or call giveUpFork(), which returns the id of the thread that did not come to rest, or 0
   * if it was one of V8's workers.
   */
  fork(reportFd: number, loopGoesOn: boolean, jsWorkers: number): number;
  giveUpFork(): number;
  restHandles(keep: Int32Array): number;
  /** Returns what `call` does, which finds all handles to keep the loop alive. */
  withAllReferenced(call: () => object[]): object[];
  abandonStack(begin: () => void, keep: Int32Array, sparedCalls: number, collects: boolean): void;
  resetSignals(): void;
  setExitCode(code: number): void;
  /** Call it in 'beforeExit'. Calls `leave` in the next turn unless there is more to do. */
  atLoopEnd(leave: (() => void) | undefined): void;
  /** Whether 'beforeExit' is being emitted, or what its listeners wait for is being done. */
  isAtLoopEnd(): boolean;
  activeRequests(): number;
  /**
   * Descriptors of files that were opened at `path` to write to them, and whose callbacks are still
   * to come.
   */
  finishedOpens(path: string): Int32Array;
  startThreadPool(): number;
  hasHandle(fd: number): boolean;
}

export const nativeFork: ForkFunctions = addon as ForkFunctions;
