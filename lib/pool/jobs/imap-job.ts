// The job of an imap(), ordered or not.
import { performance } from '../../common/originals.js';
import { Wakers } from '../../common/wakers.js';
import { Job, NOWHERE, Task, type JobPlan } from './job.js';

/** The outcome of an item. */
export type Outcome = { value: unknown } | { error: unknown };

type Source = Iterator<unknown> | AsyncIterator<unknown>;

export interface ImapPlan extends JobPlan {
  source: Source;
  isAsync: boolean;
  isOrdered: boolean;
  chunksize: number;
  /** How many items to take before their outcomes are asked for; undefined: as it fits. */
  buffersize: number | undefined;
  processes: number;
}

/** Without a buffersize: so many items for each process at least, and at most so many in all. */
const MIN_AHEAD_EACH = 4;
const MAX_AHEAD = 1024;
/** And otherwise as many as are done in so many milliseconds. */
const AHEAD_MS = 20;

/**
 * A call of a function for each item of an input of any length, which is taken from as far as
 * somebody takes the outcomes.
 */
export class ImapJob extends Job {
  override readonly goesOn = true;
  override readonly input = undefined;
  readonly #plan: ImapPlan;
  readonly #items = new Map<number, unknown>();
  readonly #outcomes = new Map<number, Outcome>();
  /** How many items were taken from the input, given to tasks, done, and asked for. */
  #pulled = 0;
  #cut = 0;
  #done = 0;
  #consumed = 0;
  #isAtEnd = false;
  #isPulling = false;
  #isDraining = false;
  /** Why there is nothing more, be there values left or not. */
  #failure: { error: unknown } | undefined;
  /** Woken when there may be something to take. */
  readonly outcomeWaiters: Wakers = new Wakers();
  readonly #start = performance.now();

  constructor(plan: ImapPlan) {
    super(plan);
    this.#plan = { ...plan, callSite: NOWHERE };
  }

  override start(): void {
    super.start();
    this.#pull();
  }

  override get tasksLeft(): number {
    return Math.ceil((this.#pulled - this.#cut) / this.#plan.chunksize);
  }

  override itemsOf(task: Task): readonly unknown[] {
    return Array.from({ length: task.size }, (_, i) => this.#items.get(task.first + i));
  }

  override drain(): void {
    this.#isDraining = true;
    this.#pull();
  }

  /** The next outcome; undefined if there is none yet, null if there will be none. */
  take(): Outcome | undefined | null {
    const index = this.#plan.isOrdered ? this.#consumed : this.#firstIndex();
    const outcome = this.#outcomes.get(index);
    if (outcome !== undefined) {
      this.#outcomes.delete(index);
      this.#consumed++;
      this.#pull();
      return outcome;
    }
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      if (error === undefined) return null;
      this.#failure = { error: undefined };
      return { error };
    }
    return this.isSettled ? null : undefined;
  }

  /** Cancels the remaining items. */
  cancel(): void {
    if (this.isSettled) return;
    this.#outcomes.clear();
    this.#failure = { error: undefined };
    this.#end();
    this.events.withdraw(this, false);
  }

  protected override hasNew(): boolean {
    const left = this.#pulled - this.#cut;
    return left >= this.#plan.chunksize || (this.#isAtEnd && left > 0);
  }

  protected override nextNew(): Task {
    const size = Math.min(this.#plan.chunksize, this.#pulled - this.#cut);
    const task = new Task(this, this.#cut, size);
    this.#cut += size;
    return task;
  }

  protected override onValues(first: number, values: readonly unknown[]): void {
    for (const [i, value] of values.entries()) this.#keep(first + i, { value });
    this.#tell();
  }

  protected override onError(first: number, count: number, error: unknown): void {
    for (let i = 0; i < count; i++) this.#keep(first + i, { error });
    this.#tell();
  }

  protected override reject(error: unknown): void {
    this.#failure = { error };
    this.#end();
  }

  #firstIndex(): number {
    for (const index of this.#outcomes.keys()) return index;
    return -1;
  }

  #keep(index: number, outcome: Outcome): void {
    this.#items.delete(index);
    this.#outcomes.set(index, outcome);
    this.#done++;
  }

  #tell(): void {
    if (!this.tell(this.#done, this.#isAtEnd ? this.#pulled : undefined)) return;
    if (this.#isDraining) this.#pull();
    this.#settleIfDone();
    this.outcomeWaiters.wakeAll();
  }

  get #isComplete(): boolean {
    return this.#isAtEnd && this.#done === this.#pulled;
  }

  #settleIfDone(): void {
    if (this.#isComplete) this.settle();
  }

  /** Ends it, whatever was begun. */
  #end(): void {
    if (!this.#isAtEnd) this.#closeSource();
    this.#isAtEnd = true;
    this.#items.clear();
    this.settle();
    this.outcomeWaiters.wakeAll();
  }

  #closeSource(): void {
    try {
      const closed: unknown = this.#plan.source.return?.();
      if (closed instanceof Promise) closed.catch(() => {});
    } catch {
      // It was not to give anything more anyway.
    }
  }

  #limit(): number {
    const { buffersize, chunksize, processes } = this.#plan;
    if (buffersize !== undefined) return Math.max(buffersize, chunksize);
    const inTime = (this.#done / (performance.now() - this.#start)) * AHEAD_MS;
    const most = Math.min(Math.ceil(inTime), MAX_AHEAD);
    return Math.max(MIN_AHEAD_EACH * processes, most) * chunksize;
  }

  #hasRoom(): boolean {
    const open = this.#pulled - (this.#isDraining ? this.#done : this.#consumed);
    return !this.#isAtEnd && !this.isSettled && open < this.#limit();
  }

  /** Takes items as far as there is room. */
  #pull(): void {
    if (this.#isPulling) return;
    this.#isPulling = true;
    try {
      while (this.#hasRoom()) {
        const next = this.#plan.source.next();
        if (this.#plan.isAsync) {
          void this.#await(next as Promise<IteratorResult<unknown>>);
          return; // and goes on then
        }
        this.#accept(next as IteratorResult<unknown>);
      }
    } catch (error) {
      this.#failSource(error);
    }
    this.#isPulling = false;
    this.#offer();
  }

  async #await(next: Promise<IteratorResult<unknown>>): Promise<void> {
    this.#offer();
    try {
      this.#accept(await next);
    } catch (error) {
      this.#failSource(error);
    }
    this.#isPulling = false;
    this.#pull();
  }

  #accept(next: IteratorResult<unknown>): void {
    if (this.isSettled) return;
    if (next.done === true) this.#isAtEnd = true;
    else this.#items.set(this.#pulled++, next.value);
  }

  /** The input is at its end, with an error in the place of a value. */
  #failSource(error: unknown): void {
    if (this.isSettled) return;
    this.#isAtEnd = true;
    this.#outcomes.set(this.#pulled, { error });
  }

  #offer(): void {
    if (this.isSettled) return;
    if (this.hasNew()) this.events.moreTasks(this);
    // The last value may have come before it was known to be the last.
    if (this.#isComplete && !this.tell(this.#done, this.#pulled)) return;
    this.#settleIfDone();
    if (this.isSettled || this.#outcomes.size > 0) this.outcomeWaiters.wakeAll();
  }
}
