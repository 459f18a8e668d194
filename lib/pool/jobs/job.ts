// One request of a user, as the pool sees it: a source of tasks, and the receiver of their
// outcomes.
import { onAbort } from '../../common/abort.js';
import { AbortError, TimeoutError, WorkerLostError } from '../../common/errors.js';
import type { AnyFunction, TaskSettings } from '../options.js';
import type { Watcher } from '../progress.js';
import type { CallSite, Runner } from './call-sites.js';
import { withCallSite } from './stack.js';

/** A part of a job that one worker does: some items, one after the other. */
export class Task {
  readonly job: Job;
  /** The first item, counted within the job. */
  readonly first: number;
  readonly size: number;
  /** How many items are done. */
  reported = 0;
  /** How many workers it has cost. */
  attempts = 0;
  /** The number by which its worker knows it. */
  number = -1;
  /** Where its worker says how far it has come. */
  place = -1;

  constructor(job: Job, first: number, size: number) {
    this.job = job;
    this.first = first;
    this.size = size;
  }
}

/** How a worker has ended, for its tasks. */
export interface Loss {
  exitcode: number | undefined;
  signal: NodeJS.Signals | null;
  /** Why it was ended, if it was. */
  cause: unknown;
}

/** Events of a job, for its pool. */
export interface JobEvents {
  /** Whether this process has made the pool, and not one that it is a fork of. */
  readonly isOurs: boolean;
  /** There may be tasks now where there were none. */
  moreTasks(job: Job): void;
  /** Its tasks that are under way are of no use any more. */
  withdraw(job: Job, isUrgent: boolean): void;
  settled(job: Job): void;
}

export interface JobPlan extends TaskSettings {
  fn: AnyFunction;
  /** Whether an item is a list of arguments. */
  spreads: boolean;
  callSite: CallSite;
  watcher: Watcher | undefined;
}

/** In the place of a caller whose frames are not to be kept. */
export const NOWHERE: CallSite = Object.freeze({});

export abstract class Job {
  readonly fn: AnyFunction;
  readonly spreads: boolean;
  readonly timeout: number;
  readonly retries: number;
  /** Whether a failed item is not the end of its task. */
  readonly goesOn: boolean = false;
  /** The numbers of the function and of the input, which all workers that run it must know. */
  fnNumber = 0;
  inputNumber = 0;
  /** For the pool's queue. */
  isQueued = false;
  isSettled = false;
  events!: JobEvents;
  readonly #signal: AbortSignal | undefined;
  #stopListening: (() => void) | undefined;
  readonly #watcher: Watcher | undefined;
  #callSite: CallSite;
  /** Tasks that were sent to a worker and not begun; the first comes last. */
  #givenBack: Task[] | undefined;

  constructor(plan: JobPlan) {
    this.fn = plan.fn;
    this.spreads = plan.spreads;
    this.timeout = plan.timeout;
    this.retries = plan.retries;
    this.#signal = plan.signal;
    this.#watcher = plan.watcher;
    this.#callSite = plan.callSite;
  }

  /** The list that the items are taken from, if a worker can have it since it was forked. */
  abstract readonly input: readonly unknown[] | undefined;
  /** The items of a task that are not done. */
  abstract itemsOf(task: Task): readonly unknown[];
  /** About how many tasks it has for whoever is free. */
  get tasksLeft(): number {
    return 1;
  }

  /** Somebody waits for the end of the pool: whoever wanted the values may not ask for more. */
  drain(): void {}

  /** Whether there is a task that was in nobody's hands yet. */
  protected abstract hasNew(): boolean;
  protected abstract nextNew(): Task;
  /** Values have come, from the item `first` of the job on. */
  protected abstract onValues(first: number, values: readonly unknown[]): void;
  /** The item `first` of the job has failed, and with it `count` − 1 others. */
  protected abstract onError(first: number, count: number, error: unknown): void;
  /** Ends it with an error, whatever else there is. */
  protected abstract reject(error: unknown, isExpected: boolean): void;

  /** Call it once, when the pool has it. */
  start(): void {
    const signal = this.#signal;
    if (signal === undefined) return;
    const abort = (): void => {
      if (this.isSettled || !this.events.isOurs) return;
      this.reject(new AbortError(signal), false);
      this.events.withdraw(this, true);
    };
    if (signal.aborted) abort();
    else this.#stopListening = onAbort(signal, abort);
  }

  get requires(): number {
    return Math.max(this.fnNumber, this.inputNumber);
  }

  get hasTasks(): boolean {
    return !this.isSettled && ((this.#givenBack?.length ?? 0) > 0 || this.hasNew());
  }

  nextTask(): Task {
    return this.#givenBack?.pop() ?? this.nextNew();
  }

  /** Takes a task back that nobody has begun. */
  giveBack(task: Task): void {
    this.#givenBack ??= [];
    this.#givenBack.push(task);
  }

  values(task: Task, values: readonly unknown[], first: number): void {
    if (!this.isSettled) this.onValues(task.first + first, values);
  }

  /** An item has thrown. Returns whether its task goes on. */
  error(task: Task, item: number, error: unknown, runner: Runner): boolean {
    const count = this.goesOn ? 1 : task.size - item;
    if (!this.isSettled) {
      this.onError(task.first + item, count, withCallSite(error, this.#callSite, runner));
    }
    return this.goesOn;
  }

  /** The worker is gone that had begun `begun` of the items. */
  lost(task: Task, begun: number, runner: Runner, loss: Loss): void {
    if (this.isSettled) return;
    const { exitcode, signal, cause } = loss;
    if (task.attempts < this.retries) {
      this.#again(task, task.reported, task.attempts + 1);
      return;
    }
    this.#fail(task, begun, () => new WorkerLostError(runner.pid, exitcode, signal, cause));
  }

  /** Ends an item that has taken too long. */
  expired(task: Task, begun: number): void {
    if (this.isSettled) return;
    const message = `the task took longer than ${this.timeout} ms, and its worker was ended`;
    this.#fail(task, begun, () => new TimeoutError(message));
  }

  /** The items cannot be sent. */
  unsendable(task: Task, error: unknown): void {
    if (this.isSettled) return;
    if (!this.goesOn || task.size === 1) {
      this.onError(task.first, task.size, error);
      return;
    }
    for (let i = task.size - 1; i >= 0; i--) this.giveBack(new Task(this, task.first + i, 1));
    this.events.moreTasks(this);
  }

  /** The pool cannot run it. */
  fail(error: unknown, isExpected = false): void {
    if (!this.isSettled) this.reject(error, isExpected);
  }

  /** For the subclasses: what the user asked for is there. */
  protected settle(): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.#stopListening?.();
    this.#callSite = NOWHERE; // an iterator may keep this job
    this.#givenBack = undefined;
    this.#watcher?.stop();
    this.events.settled(this);
  }

  /**
   * For the subclasses. An error of the user's function ends the job. Returns whether it goes on.
   */
  protected tell(done: number, total: number | undefined): boolean {
    try {
      this.#watcher?.update({ done, total });
      return true;
    } catch (error) {
      this.fail(error);
      this.events.withdraw(this, false);
      return false;
    }
  }

  /** Items that were begun and are not done have failed; where items go on, the others are run. */
  #fail(task: Task, begun: number, makeError: () => Error): void {
    const { reported } = task;
    if (!this.goesOn) {
      this.onError(task.first + reported, task.size - reported, this.#dress(makeError()));
      return;
    }
    for (let i = reported; i < begun; i++)
      this.onError(task.first + i, 1, this.#dress(makeError()));
    if (begun < task.size) this.#again(task, begun, task.attempts);
  }

  #again(task: Task, from: number, attempts: number): void {
    const rest = new Task(this, task.first + from, task.size - from);
    rest.attempts = attempts;
    this.giveBack(rest);
    this.events.moreTasks(this);
  }

  #dress(error: Error): Error {
    return withCallSite(error, this.#callSite, undefined) as Error;
  }
}
