import type { AnyFunction } from './options.js';

/** An error whose stack says where a user has asked for something. */
export interface Caller {
  stack?: string;
}

/** So many calls in a row have a stack of their own. */
const MOST = 100;
/** And further ones, one in so many milliseconds. */
const EVERY = 1;

/**
 * Takes down who calls. That takes as long as half of a submission: where a program submits the
 * same function in the same way all the time the last stack stands for those that follow.
 */
export class Callers {
  #allowance = MOST;
  #lastAt = 0;
  #last: Caller | undefined;
  #method: AnyFunction | undefined;
  #fn: AnyFunction | undefined;

  /**
   * @param method of the pool: the frames above that are the caller's
   * @param fn what is submitted
   */
  capture(method: AnyFunction, fn: AnyFunction): Caller {
    const now = performance.now();
    const allowance = Math.min(MOST, this.#allowance + (now - this.#lastAt) / EVERY);
    if (allowance < 1 && this.#method === method && this.#fn === fn) return this.#last!;
    const caller: Caller = {};
    Error.captureStackTrace(caller, method);
    this.#allowance = Math.max(0, allowance - 1);
    this.#lastAt = now;
    this.#last = caller;
    this.#method = method;
    this.#fn = fn;
    return caller;
  }
}
