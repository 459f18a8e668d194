// The work of a worker: it runs the tasks that come, in order, and reports their outcomes.
import { inspect } from 'node:util';
import { ignore } from '../../common/ignore.js';
import { performance, process, setImmediate } from '../../common/originals.js';
import { precompileForChildren } from '../../common/precompiled.js';
import { isThenable } from '../../common/thenable.js';
import { finishRequests } from '../../fork/drain.js';
import { exit } from '../../fork/leave.js';
import { makePoller, READABLE, startPoller, type Poller } from '../../posix/poller.js';
import { numberAfter, type Ledger } from '../line/ledger.js';
import { Order, readTasks, Report, writeItems, type TasksHead } from '../line/messages.js';
import { pack, unpack } from '../line/values.js';
import { Wire } from '../line/wire.js';
import { soon } from '../soon.js';

type AnyFunction = (...args: unknown[]) => unknown;

/** Everything that a worker needs, from before its fork. */
export interface Service {
  /** Its end of the line, and what messages on it begin with. */
  fd: number;
  mark: Buffer;
  ledger: Ledger;
  /** Functions, and inputs, by number. */
  things: ReadonlyMap<number, object>;
  initializer: AnyFunction | undefined;
  initArgs: readonly unknown[];
  /** How many tasks to run at a time, if they wait. */
  concurrency: number;
  /** By how many bytes its memory may grow. */
  maxGrowth: number;
}

/** A task, as a worker knows it. */
interface Job {
  number: number;
  place: number;
  fn: AnyFunction;
  items: readonly unknown[];
  /** Where in `items` its own begin. */
  offset: number;
  size: number;
  spreads: boolean;
  isTimed: boolean;
  goesOn: boolean;
  /** The item that is next. */
  at: number;
  /** The values that were not reported yet, and the item of the first of them. */
  values: unknown[];
  reported: number;
  /** When the last report was made, or the task was begun. */
  since: number;
  /** How many items to run before the next look at the clock. */
  untilLook: number;
}

/** How long to run before others in this process have their turn, in milliseconds. */
const TURN_MS = 5;
/** Values of a task that takes longer are reported in between, in milliseconds. */
const REPORT_INTERVAL_MS = 10;
/**
 * How long, in milliseconds, and for how many items not to look at the clock, which costs as much
 * as a short item.
 */
const BLIND_MS = 1;
const MAX_BLIND_ITEMS = 16;
/** How often to look at the memory, in milliseconds. */
const MEMORY_LOOK_INTERVAL_MS = 20;

function callItem({ fn, items, offset, spreads, at }: Job): unknown {
  const item = items[offset + at];
  return spreads ? fn(...(item as unknown[])) : fn(item);
}

class Server {
  readonly #service: Service;
  readonly #ledger: Ledger;
  readonly #wire: Wire;
  readonly #poller: Poller;
  #queue: Job[] = [];
  /** How many of the queue were taken from it. */
  #taken = 0;
  #active = 0;
  #isPumping = false;
  #isStopping = false;
  #isReady = false;
  #turn = 0;
  #lastLook = 0;
  readonly #memoryAtStart: number;

  constructor(service: Service) {
    this.#service = service;
    this.#ledger = service.ledger;
    this.#wire = new Wire(service.fd, service.mark);
    this.#poller = makePoller(service.fd, () => this.#onReadable());
    this.#memoryAtStart = service.maxGrowth === Infinity ? 0 : process.memoryUsage.rss();
  }

  async start(): Promise<void> {
    startPoller(this.#poller, READABLE);
    const { initializer, initArgs } = this.#service;
    if (initializer !== undefined) {
      try {
        await initializer(...initArgs);
      } catch (error) {
        this.#send([Buffer.of(Report.failed), ...this.#packError(error)]);
        return this.#leave(1);
      }
    }
    this.#send([Buffer.of(Report.ready)]);
    this.#isReady = true;
    this.#pump();
  }

  #onReadable(): void {
    try {
      this.#wire.read((message) => this.#obey(message));
    } catch (error) {
      // Not an exception: a handler of the user's would let it go on, and its tasks would never be
      // reported.
      process.stderr.write(`${inspect(error)}\n`);
      exit(1);
    }
    // Nobody else wants what this process does.
    if (this.#wire.hasEnded) exit();
    this.#pump();
  }

  #obey(message: Buffer): void {
    if (message[0] === Order.tasks) {
      this.#accept(message);
    } else if (message[0] === Order.recall) {
      this.#ledger.acceptRecall();
      this.#queue = [];
      this.#taken = 0;
    } else {
      this.#isStopping = true;
    }
  }

  #accept(message: Buffer): void {
    const { head, items: packed } = readTasks(message);
    const { fn, items, spreads } = this.#contentsOf(head, packed);
    let offset = 0;
    for (const [index, size] of head.sizes.entries()) {
      this.#queue.push({
        number: numberAfter(head.number, index),
        place: head.places[index]!,
        fn,
        items,
        offset: head.firsts[index] ?? offset,
        size,
        spreads,
        isTimed: head.isTimed,
        goesOn: head.goesOn,
        at: 0,
        values: [],
        reported: 0,
        since: 0,
        untilLook: 1,
      });
      offset += size;
    }
  }

  /** The function, and its items. Where they cannot be had, that is what comes of each of them. */
  #contentsOf(head: TasksHead, packed: Buffer): Pick<Job, 'fn' | 'items' | 'spreads'> {
    const { things } = this.#service;
    const fn = things.get(head.fn) as AnyFunction;
    const { spreads } = head;
    if (head.input > 0) return { fn, items: things.get(head.input) as unknown[], spreads };
    const fail =
      (error: unknown): AnyFunction =>
      () => {
        throw error;
      };
    try {
      const count = head.sizes.reduce((sum, size) => sum + size, 0);
      return { fn, items: unpack(packed, count), spreads };
    } catch (error) {
      return { fn: fail(error), items: [], spreads: false };
    }
  }

  /** Runs tasks, each as a job of its own: what one leaves to do is done before the next. */
  #pump(): void {
    if (this.#isPumping || !this.#isReady) return;
    this.#isPumping = true;
    this.#turn = performance.now();
    this.#step();
  }

  readonly #step = (): void => {
    const job = this.#active < this.#service.concurrency ? this.#take() : undefined;
    if (job === undefined) {
      this.#isPumping = false;
      if (this.#isStopping && this.#active === 0) void this.#leave();
      return;
    }
    this.#begin(job);
    if (performance.now() - this.#turn < TURN_MS) {
      soon(this.#step);
      return;
    }
    setImmediate(() => {
      this.#turn = performance.now();
      this.#step();
    });
  };

  /** The next task, unless it was taken back. */
  #take(): Job | undefined {
    if (this.#taken === this.#queue.length) return undefined;
    const job = this.#queue[this.#taken]!;
    this.#ledger.beginItem(job.place, 0, job.isTimed);
    if (!this.#ledger.begin()) {
      this.#queue = [];
      this.#taken = 0;
      return undefined;
    }
    if (++this.#taken === this.#queue.length) {
      this.#queue = [];
      this.#taken = 0;
    }
    return job;
  }

  #begin(job: Job): void {
    job.since = performance.now();
    const promise = this.#run(job);
    if (promise !== undefined) void this.#await(job, promise);
  }

  /** Runs items up to one that has to be awaited. */
  #run(job: Job): PromiseLike<unknown> | undefined {
    for (; job.at < job.size; job.at++) {
      if (job.at > 0) this.#ledger.beginItem(job.place, job.at, job.isTimed);
      try {
        const value = callItem(job);
        if (isThenable(value)) return value;
        this.#keep(job, value);
      } catch (error) {
        if (!this.#fail(job, error)) return undefined;
      }
    }
    return undefined;
  }

  async #await(job: Job, first: PromiseLike<unknown>): Promise<void> {
    this.#active++;
    this.#watch();
    let promise: PromiseLike<unknown> | undefined = first;
    while (promise !== undefined) {
      try {
        this.#keep(job, await promise);
      } catch (error) {
        if (!this.#fail(job, error)) break;
      }
      job.at++;
      promise = this.#run(job);
    }
    this.#active--;
    this.#watch();
    this.#pump();
  }

  /**
   * A worker that can begin nothing more waits for its tasks alone: if nothing can settle those
   * it ends, with the exit code that Node has for that.
   */
  #watch(): void {
    this.#poller.setRef(this.#active < this.#service.concurrency);
  }

  #keep(job: Job, value: unknown): void {
    job.values.push(value);
    if (job.at + 1 === job.size) this.#report(job);
    else if (--job.untilLook === 0) this.#look(job);
  }

  #look(job: Job): void {
    const elapsed = performance.now() - job.since;
    const short = Math.floor((BLIND_MS * job.values.length) / elapsed);
    job.untilLook = Math.max(1, Math.min(short, MAX_BLIND_ITEMS));
    if (elapsed > REPORT_INTERVAL_MS) this.#report(job);
  }

  /** Returns whether the task goes on. */
  #fail(job: Job, error: unknown): boolean {
    if (job.values.length > 0) this.#report(job);
    this.#reportError(job, job.at, error);
    job.reported = job.at + 1;
    return job.goesOn;
  }

  #report(job: Job): void {
    const { values, reported: first } = job;
    const count = values.length;
    job.values = [];
    job.reported += count;
    try {
      const { parts } = pack(values, false);
      this.#send([this.#head(job, Report.values, first, count), ...parts]);
    } catch (error) {
      if (count === 1) this.#reportError(job, first, error);
      else this.#reportOneByOne(job, first, values);
      if (!job.goesOn) job.size = 0;
    }
    this.#lookAtMemory();
  }

  #reportOneByOne(job: Job, first: number, values: unknown[]): void {
    for (const [index, value] of values.entries()) {
      try {
        const { parts } = pack([value], false);
        this.#send([this.#head(job, Report.values, first + index, 1), ...parts]);
      } catch (error) {
        this.#reportError(job, first + index, error);
        if (!job.goesOn) return;
      }
    }
  }

  #reportError(job: Job, item: number, error: unknown): void {
    this.#send([this.#head(job, Report.error, item, 1), ...this.#packError(error)]);
  }

  #packError(error: unknown): Uint8Array[] {
    try {
      return pack([error], false).parts;
    } catch (reason) {
      return pack([reason], false).parts;
    }
  }

  #head(job: Job, kind: number, first: number, count: number): Buffer {
    const now = performance.now();
    const duration = now - job.since;
    job.since = now;
    return writeItems({ kind, number: job.number, first, count, duration });
  }

  #send(parts: Uint8Array[]): void {
    this.#wire.queue(parts);
    this.#wire.writeFully();
    // No report arrives any more: the pool is gone, or a task has closed the descriptor.
    if (this.#wire.isCut) exit(1);
  }

  /** Ends in peace. */
  async #leave(code?: number): Promise<void> {
    await finishRequests();
    exit(code);
  }

  #lookAtMemory(): void {
    const { maxGrowth } = this.#service;
    if (maxGrowth === Infinity) return;
    const now = performance.now();
    if (now - this.#lastLook < MEMORY_LOOK_INTERVAL_MS) return;
    this.#lastLook = now;
    const growth = process.memoryUsage.rss() - this.#memoryAtStart;
    if (growth > maxGrowth) this.#send([Buffer.of(Report.grown)]);
  }
}

/** Serves until the pool says that it is enough, or is gone. */
export async function serve(service: Service): Promise<never> {
  // Ctrl-C is for the pool's owner, who ends the workers.
  process.on('SIGINT', ignore);
  await new Server(service).start();
  return new Promise(ignore);
}

precompileForChildren(serve, callItem);
