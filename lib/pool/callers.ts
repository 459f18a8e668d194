import type { AnyFunction } from './options.js';

/** An error whose stack says where a user has asked for something. */
export interface Caller {
  stack?: string;
}

/** So many calls in one go have a stack of their own. */
const MOST = 100;

/**
 * Takes down who calls. That takes longer than all the rest of a submission: where a program
 * submits a great many tasks in one go the last stack stands for the further ones.
 */
export class Callers {
  #count = 0;
  #last: Caller | undefined;
  #method: AnyFunction | undefined;

  /** @param method of the pool: the frames above that are the caller's */
  capture(method: AnyFunction): Caller {
    if (++this.#count > MOST && this.#method === method) return this.#last!;
    const caller: Caller = {};
    Error.captureStackTrace(caller, method);
    this.#last = caller;
    this.#method = method;
    return caller;
  }

  /** The program has gone on to something else. */
  reset(): void {
    this.#count = 0;
    this.#last = undefined;
    this.#method = undefined;
  }
}
