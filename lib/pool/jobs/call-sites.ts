// The place that asked for a task, and the worker that ran it, for the stacks of its errors.
import { performance } from '../../common/originals.js';
import type { AnyFunction } from '../options.js';

/**
 * The place where a user has asked for something: `stack` is that of an error. Until somebody reads
 * it V8 keeps the frames themselves, and whatever `this` was in them.
 */
export interface CallSite {
  stack?: string;
}

/** The worker that ran a task, for its errors. */
export interface Runner {
  readonly name: string;
  readonly pid: number;
}

interface Capture {
  callSite: CallSite;
  method: AnyFunction;
  fn: AnyFunction;
}

/** This many calls in a row have a stack of their own. */
const MAX_IN_A_ROW = 100;
/** And further ones, one in so many milliseconds. */
const EVERY_MS = 1;

/**
 * Takes down who calls. That takes as long as half of a submission: where a program submits the
 * same function in the same way all the time the last stack stands for those that follow.
 */
export class CallSites {
  #allowance = MAX_IN_A_ROW;
  #lastAt = 0;
  /** Weak: the frames are the jobs', and go with the last of them. */
  #last: WeakRef<Capture> | undefined;

  /**
   * @param method of the pool: the frames above that are the caller's
   * @param fn what is submitted
   */
  capture(method: AnyFunction, fn: AnyFunction): CallSite {
    const now = performance.now();
    const allowance = Math.min(MAX_IN_A_ROW, this.#allowance + (now - this.#lastAt) / EVERY_MS);
    const last = allowance < 1 ? this.#last?.deref() : undefined;
    if (last?.method === method && last.fn === fn) return last.callSite;
    const callSite: CallSite = {};
    Error.captureStackTrace(callSite, method);
    this.#allowance = Math.max(0, allowance - 1);
    this.#lastAt = now;
    this.#last = new WeakRef({ callSite, method, fn });
    return callSite;
  }
}
