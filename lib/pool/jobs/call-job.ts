// The job of an apply().
import type { AsyncResult } from '../async-result.js';
import { Job, Task, type JobPlan } from './job.js';

/** One call of a function. */
export class CallJob extends Job {
  override readonly input = undefined;
  readonly result: AsyncResult<unknown>;
  readonly #args: readonly unknown[];
  #isTaken = false;

  constructor(plan: JobPlan, args: readonly unknown[], result: AsyncResult<unknown>) {
    super(plan);
    this.#args = args;
    this.result = result;
  }

  override itemsOf(): readonly unknown[] {
    return [this.#args];
  }

  protected override hasNew(): boolean {
    return !this.#isTaken;
  }

  protected override nextNew(): Task {
    this.#isTaken = true;
    return new Task(this, 0, 1);
  }

  protected override onValues(_: number, [value]: readonly unknown[]): void {
    this.settle();
    this.result.fulfill(value);
  }

  protected override onError(_: number, __: number, error: unknown): void {
    this.reject(error, false);
  }

  protected override reject(error: unknown, isExpected: boolean): void {
    this.settle();
    this.result.reject(error, isExpected);
  }
}
