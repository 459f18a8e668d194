// The children of this process that are, as far as it knows, alive.
import { process } from '../common/originals.js';
import { precompileForChildren } from '../common/precompiled.js';
import { keepInChildren } from '../fork/kept-listeners.js';
import { awaitChildren, type Child, endDaemons, noteUncaught } from './end-children.js';

export class Children<C extends Child & { isAlive(): boolean }> {
  /** The value says whether the child ends with this process. */
  readonly #alive = new Map<C, boolean>();
  readonly #end = keepInChildren(() => this.#endAll());

  constructor() {
    const { [Symbol.iterator]: iterate, forget, active, reap } = this;
    precompileForChildren(iterate, forget, this.#end, this.#endAll, active, reap);
  }

  [Symbol.iterator](): Iterator<C> {
    return this.#alive.keys();
  }

  add(child: C, endsWithParent: boolean): void {
    this.#alive.set(child, endsWithParent);
  }

  delete(child: C): void {
    this.#alive.delete(child);
  }

  /** In a forked child: they are the parent's. */
  forget(): void {
    this.#alive.clear();
  }

  /** Reaps the children that have ended. @returns those that it found ended */
  reap(): C[] {
    return [...this.#alive.keys()].filter((child) => !child.isAlive());
  }

  /** Reaps the children that have ended. @returns the others */
  active(): C[] {
    this.reap();
    return [...this.#alive.keys()];
  }

  /** Has the children end, or waits for them, when this process exits. */
  endAtExit(): void {
    if (process.listeners('exit').includes(this.#end)) return;
    process.on('exit', this.#end);
    process.on('uncaughtExceptionMonitor', keepInChildren(noteUncaught));
  }

  #endAll(): void {
    const all = this.active();
    const endsWithParent = (child: C): boolean => this.#alive.get(child) === true;
    endDaemons(all.filter(endsWithParent));
    awaitChildren(all.filter((child) => !endsWithParent(child)));
  }
}
