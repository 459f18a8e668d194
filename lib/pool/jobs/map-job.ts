// The job of a map() or starmap().
import { performance } from '../../common/originals.js';
import type { AsyncResult } from '../async-result.js';
import { Job, NOWHERE, Task, type JobPlan } from './job.js';

/** With chunksize 'auto' a task has as many items as take about so long, in milliseconds. */
const AUTO_CHUNK_MS = 50;

export interface MapPlan extends JobPlan {
  items: readonly unknown[];
  chunksize: number | 'auto';
  failFast: boolean;
  settle: boolean;
  /** How many processes share it. */
  processes: number;
}

/** A call of a function for each item of a list, in tasks of several items. */
export class MapJob extends Job {
  override readonly goesOn: boolean;
  readonly input: readonly unknown[];
  readonly result: AsyncResult<unknown>;
  readonly #plan: MapPlan;
  readonly #values: unknown[];
  /** How many items are in a task. */
  #cut = 0;
  #done = 0;
  #failure: { error: unknown } | undefined;
  #start = 0;

  constructor(plan: MapPlan, result: AsyncResult<unknown>) {
    super(plan);
    this.#plan = { ...plan, callSite: NOWHERE };
    this.input = plan.items;
    this.goesOn = plan.settle;
    this.result = result;
    this.#values = Array<unknown>(plan.items.length).fill(undefined);
  }

  override itemsOf(task: Task): readonly unknown[] {
    return this.input.slice(task.first, task.first + task.size);
  }

  override get tasksLeft(): number {
    const left = this.input.length - this.#cut;
    return Math.ceil(left / (this.#plan.chunksize === 'auto' ? 1 : this.#plan.chunksize));
  }

  protected override hasNew(): boolean {
    return this.#cut < this.input.length;
  }

  protected override nextNew(): Task {
    const first = this.#cut;
    const size = Math.min(this.#chunksize(), this.input.length - first);
    this.#cut += size;
    return new Task(this, first, size);
  }

  protected override onValues(first: number, values: readonly unknown[]): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      this.#values[first + i] = this.goesOn ? { status: 'fulfilled', value } : value;
    }
    this.#count(values.length);
  }

  protected override onError(first: number, count: number, error: unknown): void {
    if (this.goesOn) {
      this.#values[first] = { status: 'rejected', reason: error };
    } else if (this.#plan.failFast) {
      this.reject(error, false);
      this.events.withdraw(this, false);
      return;
    } else {
      this.#failure ??= { error };
    }
    this.#count(count);
  }

  protected override reject(error: unknown, isExpected: boolean): void {
    this.settle();
    this.result.reject(error, isExpected);
  }

  /** Call it for a map of nothing. */
  endIfEmpty(): void {
    if (this.input.length === 0) this.#count(0);
  }

  #chunksize(): number {
    const { chunksize, processes } = this.#plan;
    if (chunksize !== 'auto') return chunksize;
    if (this.#start === 0) this.#start = performance.now();
    if (this.#done === 0) return 1;
    // All processes together have taken so long for what is done.
    const each = ((performance.now() - this.#start) * processes) / this.#done;
    const fair = Math.ceil((this.input.length - this.#cut) / (2 * processes));
    return Math.max(1, Math.min(Math.round(AUTO_CHUNK_MS / each), fair));
  }

  #count(count: number): void {
    this.#done += count;
    if (!this.tell(this.#done, this.input.length) || this.#done < this.input.length) return;
    this.settle();
    if (this.#failure === undefined) this.result.fulfill(this.#values);
    else this.result.reject(this.#failure.error, false);
  }
}
