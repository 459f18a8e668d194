// State that belongs to one process: a forked child has a copy of everything in memory, and must
// not take its parent's connections, waiters and files for its own.
import { precompileForChildren } from './precompiled.js';

/**
 * This process: equal in no two processes, unlike a pid, which the kernel uses again. A forked
 * child has its own.
 */
export let thisProcess: symbol = Symbol('process');

const forgetFunctions: (() => void)[] = [];

/**
 * Calls `forget` in each forked child, before anything else runs there, to let go of what is the
 * parent's. Cannot be taken back.
 */
export function onForkedChild(forget: () => void): void {
  forgetFunctions.push(forget);
  precompileForChildren(forget);
}

/** Makes the copy of a process a process of its own. Called once in each child, by fork(). */
export function forgetParent(): void {
  thisProcess = Symbol('process');
  for (const forget of forgetFunctions) forget();
}

precompileForChildren(forgetParent);

/** A value that each process makes for itself, when it first asks for it. */
export class PerProcess<T> {
  readonly #make: (parents: T | undefined) => T;
  #owner: symbol | undefined;
  #value: T | undefined;

  /** @param make gets the value of the process that this is a fork of, if that had one */
  constructor(make: (parents: T | undefined) => T) {
    this.#make = make;
  }

  get value(): T {
    if (this.#owner !== thisProcess) {
      this.#value = this.#make(this.#value);
      this.#owner = thisProcess;
    }
    return this.#value as T;
  }
}
