// A pool from the inside: jobs come, workers end, and each turn brings the two together.
import { BrokenPoolError, ProcessError } from '../../common/errors.js';
import { process } from '../../common/originals.js';
import { thisProcess } from '../../common/per-process.js';
import { waitFor, type Deadline } from '../../common/waiting.js';
import { Wakers } from '../../common/wakers.js';
import { waitForAny } from '../../posix/poller.js';
import { CallSites } from '../jobs/call-sites.js';
import { JobQueue } from '../jobs/job-queue.js';
import type { Job, JobEvents, Task } from '../jobs/job.js';
import { holdLoop } from '../keep-alive.js';
import type { Settings } from '../options.js';
import { soon } from '../soon.js';
import { Agenda } from './agenda.js';
import { Balance } from './balance.js';
import { type CrewSteps, Deadlines } from './deadlines.js';
import { Dispatcher } from './dispatcher.js';
import { Registry } from './registry.js';
import { Restarts } from './restarts.js';
import { Roster } from './roster.js';
import type { Worker, WorkerEvents } from './worker.js';

/** RUN: takes jobs. CLOSE: ends when all are done. TERMINATE, BROKEN: ends, all have failed. */
export type State = 'RUN' | 'CLOSE' | 'TERMINATE' | 'BROKEN';

/** How long to wait without the event loop before looking at the time again, in milliseconds. */
const PUMP_SLICE_MS = 50;

function isExiting(): boolean {
  return (process as typeof process & { _exiting: boolean })._exiting;
}

function notRunning(): ProcessError {
  return new ProcessError('ERR_TRUEFORK_POOL_CLOSED', 'Pool not running');
}

function terminated(): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_POOL_TERMINATED',
    'the pool was terminated before the task was done',
  );
}

/** Something that will be submitted. */
export interface Expected {
  fail(error: unknown, isExpected: boolean): void;
}

export class Crew implements JobEvents, WorkerEvents, CrewSteps {
  readonly settings: Settings;
  state: State = 'RUN';
  readonly callSites: CallSites = new CallSites();
  readonly #owner = thisProcess;
  readonly #registry = new Registry();
  readonly #queue = new JobQueue();
  readonly #jobs = new Set<Job>();
  /** Maps whose input is still being read; each can be told that it is too late. */
  readonly #expected = new Set<Expected>();
  readonly #agenda = new Agenda();
  readonly #roster = new Roster();
  readonly #dispatcher: Dispatcher;
  readonly #deadlines: Deadlines;
  readonly #balance: Balance;
  readonly #restarts: Restarts;
  readonly #ended = new Set<Worker>();
  #isScheduled = false;
  #broken: { cause: unknown } | undefined;
  /** Lets the event loop end; undefined where nothing of this pool keeps it alive. */
  #release: (() => void) | undefined;
  readonly #endWaiters = new Wakers();
  /** How many workers have ended when they should not. */
  lost = 0;

  constructor(settings: Settings) {
    this.settings = settings;
    this.#restarts = new Restarts(settings.maxRestarts);
    const [roster, queue, agenda] = [this.#roster, this.#queue, this.#agenda];
    const deadlines = new Deadlines(settings, roster, agenda, this);
    this.#deadlines = deadlines;
    this.#balance = new Balance(settings, roster, queue, agenda, this);
    const registry = this.#registry;
    const parts = { settings, roster, registry, queue, deadlines, events: this };
    this.#dispatcher = new Dispatcher(parts);
  }

  /** All workers that have not been reaped. */
  get workers(): Worker[] {
    return this.#roster.all;
  }

  /** How many workers were forked. */
  get forks(): number {
    return this.#dispatcher.forks;
  }

  get jobs(): number {
    return this.#jobs.size + this.#expected.size;
  }

  get isOver(): boolean {
    return this.state !== 'RUN' && this.jobs === 0 && this.workers.length === 0;
  }

  /** Whether this process has made it, and not one that it is a fork of. */
  get isOurs(): boolean {
    return this.#owner === thisProcess;
  }

  /** @throws ProcessError `ERR_TRUEFORK_NOT_THE_CREATOR` */
  assertOwned(): void {
    if (this.isOurs) return;
    throw new ProcessError(
      'ERR_TRUEFORK_NOT_THE_CREATOR',
      'a pool can be used only by the process that has made it; make another one here',
    );
  }

  /** @throws ProcessError `ERR_TRUEFORK_POOL_CLOSED`, `ERR_TRUEFORK_POOL_BROKEN` */
  assertRunning(): void {
    this.assertOwned();
    if (this.state === 'BROKEN') throw this.#brokenError();
    if (this.state !== 'RUN') throw notRunning();
  }

  /** Something will be submitted, be the pool closed by then. */
  expect(expected: Expected): void {
    this.assertRunning();
    this.#expected.add(expected);
    this.schedule();
  }

  /** @param expected what was announced as this */
  submit(job: Job, expected?: Expected): void {
    const isExpected = expected !== undefined && this.#expected.delete(expected);
    if (!isExpected) this.assertRunning();
    job.events = this;
    job.fnNumber = this.#registry.numberOf(job.fn);
    // Where workers are going to be forked for the function, they have the items, too.
    if (job.input !== undefined && !this.#roster.isKnown(job.fnNumber)) {
      job.inputNumber = this.#registry.numberOf(job.input);
    }
    this.#jobs.add(job);
    this.#dispatcher.add(job);
    job.start();
    this.moreTasks(job);
  }

  close(): void {
    this.assertOwned();
    if (this.state === 'RUN') this.state = 'CLOSE';
    this.schedule();
  }

  terminate(): void {
    this.assertOwned();
    if (this.state === 'RUN' || this.state === 'CLOSE') this.state = 'TERMINATE';
    this.#failAll(terminated, true);
    this.#endAll();
  }

  /** Waits until all is over. Returns false if the timeout came first. */
  async join(timeout: number, signal: AbortSignal | undefined): Promise<boolean> {
    this.#assertEnding();
    for (const job of this.#jobs) job.drain();
    const release = holdLoop();
    try {
      if (this.isOver) return true;
      return await waitFor(this.#endWaiters, timeout, signal);
    } finally {
      release();
    }
  }

  joinSync(deadline: Deadline): boolean {
    this.#assertEnding();
    for (const job of this.#jobs) job.drain();
    return this.pump(() => this.isOver, deadline);
  }

  resize(processes: number): void {
    this.assertRunning();
    this.settings.processes = processes;
    const surplus = this.#roster.seated
      .filter((worker) => worker.phase === 'open')
      .toSorted((a, b) => b.held - a.held)
      .slice(processes);
    for (const worker of surplus) {
      this.takeBack(worker);
      worker.retire();
    }
    this.schedule();
  }

  /** Runs without the event loop until `isDone`. Returns false if the deadline came first. */
  pump(isDone: () => boolean, deadline: Deadline): boolean {
    this.assertOwned();
    for (;;) {
      this.#turn();
      if (isDone()) return true;
      if (deadline.isOver) return false;
      const wishes = this.workers.flatMap((worker) =>
        worker.wishes.map((wish) => ({ ...wish, worker })),
      );
      const slice = Math.min(PUMP_SLICE_MS, deadline.left, this.#agenda.left);
      for (const { worker } of waitForAny(wishes, slice)) worker.look();
      this.#agenda.runDue();
    }
  }

  // Events of jobs.

  moreTasks(job: Job): void {
    this.#queue.add(job);
    this.schedule();
  }

  withdraw(job: Job, isUrgent: boolean): void {
    if (!this.isOurs) return;
    for (const worker of this.#roster.seated) {
      if (!worker.holds(job)) continue;
      this.takeBack(worker);
      // A worker begins tasks at any moment: those that it still holds now are known to have begun.
      const isAtWork = worker.phase !== 'leaving' && worker.holds(job);
      if (isAtWork && isUrgent) this.#deadlines.terminate(worker);
    }
    this.schedule();
  }

  settled(job: Job): void {
    this.#jobs.delete(job);
    if (this.jobs === 0) this.schedule();
  }

  /** Takes an announcement back: no job comes. */
  forgo(expected: Expected): void {
    this.#expected.delete(expected);
    this.schedule();
  }

  // Events of workers.

  hasRoom(): void {
    this.schedule();
  }

  ended(worker: Worker): void {
    this.#ended.add(worker);
    this.schedule();
  }

  #assertEnding(): void {
    this.assertOwned();
    if (this.state !== 'RUN') return;
    throw new ProcessError('ERR_TRUEFORK_STILL_RUNNING', 'Pool is still running');
  }

  // Steps that deadlines ask for.

  /** Has the next turn come at the end of what runs now, for everything that happens until then. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    soon(this.#turn);
  }

  /** Gives the tasks that a worker has not begun back to the queue. */
  takeBack(worker: Worker): void {
    if (worker.hasEnded || worker.waiting === 0) return;
    this.#returnTasks(worker.recall());
  }

  readonly #turn = (): void => {
    this.#isScheduled = false;
    // Tasks that are under way when the process exits, by whichever way, end with it.
    if (!this.isOurs || isExiting()) return;
    // Tasks of workers that have ended go back to the queue, from which others get them below.
    for (const worker of this.#ended) this.#reap(worker);
    // Workers that have done their part make room before others are forked.
    this.#dismissFinished();
    // Tasks that somebody can begin come first: a fork takes long.
    this.#dispatcher.handOut();
    this.#dispatcher.preforkForNewFunctions();
    for (const worker of this.#roster.seated) worker.post();
    // From here on it is known who is idle.
    this.#dispatcher.seatWaiting();
    this.#balance.look();
    this.#deadlines.retireIdle();
    this.#keepLoopAlive();
    if (this.isOver) this.#finish();
  };

  #finish(): void {
    this.#agenda.clear();
    this.#endWaiters.wakeAll();
  }

  /**
   * A task is somebody's: a worker's, which may be about to end, or the queue's. An item that
   * `imap()` takes in advance is a task, and one that nobody asks it for is none.
   */
  get #isBusy(): boolean {
    if (this.#queue.first !== undefined || this.#expected.size > 0) return true;
    return this.#roster.seated.some(({ held }) => held > 0);
  }

  #keepLoopAlive(): void {
    if (this.#isBusy) {
      this.#release ??= holdLoop();
    } else {
      this.#release?.();
      this.#release = undefined;
    }
  }

  /** Lets the workers end that have done their part. */
  #dismissFinished(): void {
    const isEnd = this.state !== 'RUN' && this.jobs === 0;
    for (const worker of this.#roster.available) {
      const isSpent = worker.phase === 'retiring' || worker.isExhausted || isEnd;
      if (isSpent && worker.held === 0) this.#roster.dismiss(worker);
    }
  }

  #returnTasks(tasks: Task[]): void {
    for (const task of tasks.toReversed()) {
      if (task.job.isSettled) continue;
      task.job.giveBack(task);
      this.#queue.addFirst(task.job);
    }
    this.schedule();
  }

  /** Ends all workers, also those that were told to end and may take their time for that. */
  #endAll(): void {
    for (const worker of this.workers) this.#deadlines.terminate(worker);
    this.schedule();
  }

  #failAll(makeError: () => Error, isExpected: boolean): void {
    for (const expected of this.#expected) expected.fail(makeError(), isExpected);
    this.#expected.clear();
    for (const job of this.#jobs) job.fail(makeError(), isExpected);
  }

  #reap(worker: Worker): void {
    this.#ended.delete(worker);
    const wasExpected = worker.phase === 'leaving';
    const { begun, untouched, ...loss } = worker.reap();
    this.#roster.remove(worker);
    this.#returnTasks(untouched);
    for (const { task, items } of begun) {
      task.job.lost(task, items, worker, loss);
      this.#queue.addFirst(task.job);
    }
    if (wasExpected) return;
    this.lost++;
    const cause = this.#restarts.count(worker, loss.signal);
    if (cause !== undefined) this.#break(cause.reason);
  }

  #break(cause: unknown): void {
    if (this.state === 'TERMINATE' || this.state === 'BROKEN') return;
    this.state = 'BROKEN';
    this.#broken = { cause };
    this.#failAll(() => this.#brokenError(), false);
    this.#endAll();
  }

  /** Each task has an error of its own: it gets the stack of that task. */
  #brokenError(): BrokenPoolError {
    return new BrokenPoolError(this.#broken!.cause);
  }
}
