// The task within a process that makes a call. Several tasks of a process may use one lock, which
// is theirs one by one: a call of `with()` begins a task, and what that awaits belongs to it.
import { AsyncLocalStorage } from 'node:async_hooks';

/** A task, and those that it was begun in: the last is the innermost. */
export type Tasks = readonly number[];

export const NO_TASKS: Tasks = [];

const storage = new AsyncLocalStorage<Tasks>();
let last = 0;

export function currentTasks(): Tasks {
  return storage.getStore() ?? NO_TASKS;
}

/** Calls `fn` in a task of its own. */
export function inNewTask<T>(fn: () => T): T {
  return storage.run([...currentTasks(), ++last], fn);
}
