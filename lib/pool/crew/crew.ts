// The workers of a pool, and who of them gets what.
import { BrokenPoolError, ProcessError, TimeoutError } from '../../common/errors.js';
import { performance, process } from '../../common/originals.js';
import { thisProcess } from '../../common/per-process.js';
import { waitFor, type Deadline } from '../../common/waiting.js';
import { waitForAny } from '../../posix/poller.js';
import { CallSites } from '../jobs/call-sites.js';
import { JobQueue } from '../jobs/job-queue.js';
import type { Job, JobEvents, Task } from '../jobs/job.js';
import { holdLoop } from '../keep-alive.js';
import type { Settings } from '../options.js';
import { soon } from '../soon.js';
import { Agenda } from './agenda.js';
import { Registry } from './registry.js';
import { Restarts } from './restarts.js';
import { Worker, type WorkerEvents } from './worker.js';

/** RUN: takes jobs. CLOSE: ends when all are done. TERMINATE, BROKEN: ends, all have failed. */
export type State = 'RUN' | 'CLOSE' | 'TERMINATE' | 'BROKEN';

/** How long a worker has to end after SIGTERM, in milliseconds. */
const SIGTERM_GRACE_MS = 1000;
/** How long a worker may be idle while others have tasks waiting, in milliseconds. */
const IDLE_BEFORE_RECALL_MS = 1;
/** How often to look whether one that is about to begin has done so, in milliseconds. */
const BEGINNING_LOOK_INTERVAL_MS = 5;
/** How long to wait without the event loop before looking at the time again, in milliseconds. */
const PUMP_SLICE_MS = 50;
function remove<T>(list: T[], item: T): void {
  const index = list.indexOf(item);
  if (index >= 0) list.splice(index, 1);
}

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

export class Crew implements JobEvents, WorkerEvents {
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
  readonly #restarts: Restarts;
  /** The workers that run tasks: not more than the pool has processes. */
  readonly #seated: Worker[] = [];
  /**
   * The workers that were forked for functions that were new while all others were busy. They hold
   * what these functions saw, until one of the others is free and makes room.
   */
  readonly #waiting: Worker[] = [];
  /** The workers that are about to end. */
  readonly #leaving = new Set<Worker>();
  readonly #ended = new Set<Worker>();
  /** Submitted since the last turn. */
  #fresh: Job[] = [];
  #isScheduled = false;
  /** Why no worker could be forked in this turn. */
  #forkError: unknown;
  #broken: { cause: unknown } | undefined;
  /** Lets the event loop end; undefined where nothing of this pool keeps it alive. */
  #release: (() => void) | undefined;
  readonly #onlookers = new Set<() => void>();
  forks = 0;
  lost = 0;

  constructor(settings: Settings) {
    this.settings = settings;
    this.#restarts = new Restarts(settings.maxRestarts);
  }

  /** All workers that have not ended. */
  get workers(): Worker[] {
    return [...this.#seated, ...this.#waiting, ...this.#leaving];
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
    this.#schedule();
  }

  /** @param expected what was announced as this */
  submit(job: Job, expected?: Expected): void {
    const isExpected = expected !== undefined && this.#expected.delete(expected);
    if (!isExpected) this.assertRunning();
    job.events = this;
    job.fnNumber = this.#registry.numberOf(job.fn);
    // Where workers are going to be forked for the function, they have the items, too.
    if (job.input !== undefined && !this.#isKnown(job.fnNumber)) {
      job.inputNumber = this.#registry.numberOf(job.input);
    }
    this.#jobs.add(job);
    this.#fresh.push(job);
    job.start();
    this.moreTasks(job);
  }

  close(): void {
    this.assertOwned();
    if (this.state === 'RUN') this.state = 'CLOSE';
    this.#schedule();
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
      return await waitFor((wake) => this.#onEnd(wake), timeout, signal);
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
    const surplus = this.#seated
      .filter((worker) => !worker.isRetiring && !worker.isCondemned)
      .toSorted((a, b) => b.held - a.held)
      .slice(processes);
    for (const worker of surplus) {
      this.#takeBack(worker);
      worker.isRetiring = true;
    }
    this.#schedule();
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
    this.#schedule();
  }

  withdraw(job: Job, isUrgent: boolean): void {
    if (!this.isOurs) return;
    for (const worker of this.#seated) {
      const hasBegun = worker.hasBegun(job);
      if (hasBegun === undefined) continue;
      this.#takeBack(worker);
      if (hasBegun && isUrgent) this.#kill(worker);
    }
    this.#schedule();
  }

  settled(job: Job): void {
    this.#jobs.delete(job);
    if (this.jobs === 0) this.#schedule();
  }

  /** Takes an announcement back: no job comes. */
  forgo(expected: Expected): void {
    this.#expected.delete(expected);
    this.#schedule();
  }

  // Events of workers.

  hasRoom(): void {
    this.#schedule();
  }

  failed(worker: Worker, error: unknown): void {
    worker.failure = error;
  }

  ended(worker: Worker): void {
    this.#ended.add(worker);
    this.#schedule();
  }

  #assertEnding(): void {
    this.assertOwned();
    if (this.state !== 'RUN') return;
    throw new ProcessError('ERR_TRUEFORK_STILL_RUNNING', 'Pool is still running');
  }

  #onEnd(wake: () => void): () => void {
    this.#onlookers.add(wake);
    return () => this.#onlookers.delete(wake);
  }

  /** At the end of what runs now, for everything that happens until then. */
  readonly #schedule = (): void => {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    soon(this.#turn);
  };

  readonly #turn = (): void => {
    this.#isScheduled = false;
    // Tasks that are under way when the process exits, by whichever way, end with it.
    if (!this.isOurs || isExiting()) return;
    for (const worker of this.#ended) this.#reap(worker);
    this.#forkError = undefined;
    this.#dismissFinished();
    this.#handOut();
    this.#preforkForNewFunctions();
    for (const worker of this.#seated) worker.post();
    this.#swap();
    this.#lookForIdle();
    this.#keepLoopAlive();
    if (this.isOver) {
      this.#agenda.clear();
      for (const wake of this.#onlookers) wake();
    }
  };

  /**
   * A task is somebody's: a worker's, which may be about to end, or the queue's. An item that
   * `imap()` takes in advance is a task, and one that nobody asks it for is none.
   */
  get #isBusy(): boolean {
    if (this.#queue.first !== undefined || this.#expected.size > 0) return true;
    return this.#seated.some(({ held }) => held > 0);
  }

  #keepLoopAlive(): void {
    if (this.#isBusy) {
      this.#release ??= holdLoop();
    } else {
      this.#release?.();
      this.#release = undefined;
    }
  }

  /** Workers that get tasks, now or later. */
  #available(): Worker[] {
    return [...this.#seated, ...this.#waiting].filter((worker) => !worker.isCondemned);
  }

  /** Ends the workers that have done their part. */
  #dismissFinished(): void {
    const isEnd = this.state !== 'RUN' && this.jobs === 0;
    for (const worker of [...this.#seated, ...this.#waiting]) {
      const isSpent = worker.isRetiring || worker.isExhausted || isEnd;
      if (isSpent && worker.held === 0 && !worker.isCondemned) this.#dismiss(worker);
    }
  }

  #dismiss(worker: Worker): void {
    remove(this.#seated, worker);
    remove(this.#waiting, worker);
    this.#leaving.add(worker);
    worker.stop();
  }

  #handOut(): void {
    for (let job = this.#queue.first; job !== undefined; job = this.#queue.first) {
      const worker = this.#choose(job);
      if (worker === undefined) {
        if (this.#forkError === undefined || this.#isKnown(job.requires)) return;
        job.fail(this.#forkError);
        continue;
      }
      worker.give(job.nextTask());
      this.#watchTime(job);
      // It begins while others are forked.
      if (worker.given === 1) worker.post();
    }
  }

  /** Whether there is a worker that knows what has this number. */
  #isKnown(number: number): boolean {
    return this.#available().some((worker) => worker.knows >= number);
  }

  #choose(job: Job): Worker | undefined {
    const { concurrency, processes } = this.settings;
    let least: Worker | undefined;
    for (const worker of this.#seated) {
      if (worker.knows < job.requires || !worker.canTakeMore) continue;
      if (least === undefined || worker.held < least.held) least = worker;
    }
    if (least !== undefined && least.held < concurrency) return least;
    if (this.#seated.length < processes) return this.#seat(job) ?? least;
    const old = this.#seated.find(
      (worker) => worker.held === 0 && worker.knows < job.requires && !worker.isCondemned,
    );
    if (old === undefined) return least;
    const worker = this.#seat(job);
    if (worker !== undefined) this.#dismiss(old);
    return worker;
  }

  /** A worker that knows what `job` needs: the one that saw least of what came later. */
  #seat(job: Job): Worker | undefined {
    const index = this.#waiting.findIndex((worker) => worker.knows >= job.requires);
    const worker = index >= 0 ? this.#waiting.splice(index, 1)[0] : this.#fork();
    if (worker !== undefined) this.#seated.push(worker);
    return worker;
  }

  #fork(): Worker | undefined {
    if (this.#forkError !== undefined) return undefined;
    try {
      const worker = new Worker(this.settings, this.#registry, this);
      this.forks++;
      const { initializer, initializerTimeout } = this.settings;
      if (initializer !== undefined) {
        this.#agenda.add(worker.startedAt + initializerTimeout, this.#checkStarts);
      }
      return worker;
    } catch (error) {
      this.#forkError = error;
      return undefined;
    }
  }

  /**
   * Forks workers for functions that are new in this turn while all workers are busy: they see what
   * these functions see now, and wait. Not more than the pool has processes.
   */
  #preforkForNewFunctions(): void {
    const fresh = this.#fresh;
    this.#fresh = [];
    const newest = this.#available().reduce((most, { knows }) => Math.max(most, knows), 0);
    let wanted = 0;
    for (const job of fresh) if (job.requires > newest && job.hasTasks) wanted += job.tasksLeft;
    const most = this.settings.processes - this.#waiting.length;
    for (let count = Math.min(wanted, most); count > 0; count--) {
      const worker = this.#fork();
      if (worker !== undefined) this.#waiting.push(worker);
    }
  }

  /** Waiting workers take the places of idle ones, which are older. */
  #swap(): void {
    while (this.#waiting.length > 0 && this.#queue.first === undefined) {
      const idle = this.#seated.find(({ held, isCondemned }) => held === 0 && !isCondemned);
      if (this.#seated.length >= this.settings.processes && idle === undefined) return;
      if (idle !== undefined) this.#dismiss(idle);
      this.#seated.push(this.#waiting.shift()!);
    }
  }

  /** Nobody is to be idle for long while another has tasks that it has not begun. */
  #lookForIdle(): void {
    this.#lookForWaiting(IDLE_BEFORE_RECALL_MS);
    const { idleTimeout } = this.settings;
    if (idleTimeout === Infinity) return;
    const now = performance.now();
    for (const worker of this.#seated) {
      if (worker.state !== 'idle' || worker.isRetiring) continue;
      const end = worker.idleSince + idleTimeout;
      worker.isRetiring = end <= now;
      this.#agenda.add(Math.max(end, now), this.#schedule);
    }
  }

  /** Has tasks taken back, in some milliseconds, that others could begin by then. */
  #lookForWaiting(after: number): void {
    const isUneven = this.#idle() !== undefined && this.#seated.some(({ waiting }) => waiting > 0);
    if (this.#queue.first !== undefined || !isUneven) return;
    this.#agenda.add(performance.now() + after, this.#rebalance);
  }

  /** The workers that could begin a task; undefined if there are none, and none can be forked. */
  #idle(): Worker[] | undefined {
    const idle = this.#seated.filter((worker) => worker.held === 0 && worker.canTakeMore);
    return idle.length === 0 && this.#seated.length >= this.settings.processes ? undefined : idle;
  }

  /** Workers with tasks that others could begin at once. */
  #overloaded(): Worker[] {
    const isReady = this.#idle()?.some((worker) => worker.isReady);
    if (isReady === undefined) return [];
    // One that runs nothing is about to begin, if it is ready.
    return this.#seated.filter(
      (worker) =>
        worker.waiting > 0 && (worker.held > worker.waiting || (isReady && !worker.isReady)),
    );
  }

  readonly #rebalance = (): void => {
    if (this.#queue.first !== undefined) return;
    for (const worker of this.#overloaded()) this.#takeBack(worker);
    // A task that a worker is about to begin may be long, and its beginning sends no message.
    this.#lookForWaiting(BEGINNING_LOOK_INTERVAL_MS);
  };

  /** Gives what a worker has not begun back to the queue. */
  #takeBack(worker: Worker): void {
    if (worker.hasEnded || worker.waiting === 0) return;
    this.#returnTasks(worker.recall());
  }

  #returnTasks(tasks: Task[]): void {
    for (const task of tasks.toReversed()) {
      if (task.job.isSettled) continue;
      task.job.giveBack(task);
      this.#queue.addFirst(task.job);
    }
    this.#schedule();
  }

  /** Ends a worker, whatever it does. */
  #kill(worker: Worker): void {
    if (worker.isCondemned || worker.hasEnded) return;
    worker.isCondemned = true;
    worker.process.terminate();
    worker.killAt = performance.now() + SIGTERM_GRACE_MS;
    this.#agenda.add(worker.killAt, this.#killCondemned);
  }

  readonly #killCondemned = (): void => {
    for (const worker of this.workers) {
      if (performance.now() < worker.killAt) this.#agenda.add(worker.killAt, this.#killCondemned);
      else worker.kill();
    }
  };

  #endAll(): void {
    for (const worker of this.workers) {
      // One that was asked to leave may take its time for that.
      if (this.#leaving.has(worker)) worker.isCondemned = false;
      this.#kill(worker);
    }
    this.#schedule();
  }

  #failAll(makeError: () => Error, isExpected: boolean): void {
    for (const expected of this.#expected) expected.fail(makeError(), isExpected);
    this.#expected.clear();
    for (const job of this.#jobs) job.fail(makeError(), isExpected);
  }

  #watchTime(job: Job): void {
    this.#agenda.add(performance.now() + job.timeout, this.#checkTimeouts);
  }

  readonly #checkTimeouts = (): void => {
    const now = performance.now();
    let next = Infinity;
    for (const worker of this.#seated) {
      if (worker.hasEnded) continue;
      const expired: [Task, number][] = [];
      next = Math.min(
        next,
        worker.checkTimeouts(now, (task, items) => expired.push([task, items])),
      );
      if (expired.length === 0) continue;
      this.#takeBack(worker);
      this.#kill(worker);
      for (const [task, items] of expired) task.job.expired(task, items);
    }
    this.#agenda.add(next, this.#checkTimeouts);
  };

  readonly #checkStarts = (): void => {
    const { initializerTimeout } = this.settings;
    const now = performance.now();
    for (const worker of this.#available()) {
      if (worker.isReady || worker.failure !== undefined) continue;
      const end = worker.startedAt + initializerTimeout;
      if (now < end) {
        this.#agenda.add(end, this.#checkStarts);
        continue;
      }
      worker.failure = new TimeoutError(
        `the initializer took longer than ${initializerTimeout} ms`,
      );
      worker.kill();
    }
  };

  #reap(worker: Worker): void {
    this.#ended.delete(worker);
    const wasExpected = worker.isCondemned;
    const { begun, untouched, ...loss } = worker.reap();
    remove(this.#seated, worker);
    remove(this.#waiting, worker);
    this.#leaving.delete(worker);
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

  /** A new one for each who is told: an error gets the stack of its task. */
  #brokenError(): BrokenPoolError {
    return new BrokenPoolError(this.#broken!.cause);
  }
}
