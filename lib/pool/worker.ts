// A worker as its pool sees it: what it has in hand, and the line to it.
import { socketpair } from '../posix/descriptors.js';
import { onForkedChild } from '../posix/fork.js';
import {
  makePoller,
  READABLE,
  startPoller,
  WRITABLE,
  type Poller,
  type Wish,
} from '../posix/poller.js';
import { ForkPoolWorker } from './fork-pool-worker.js';
import type { Job, Runner, Task } from './job.js';
import { distance, Ledger, numberAfter } from './ledger.js';
import { Order, readItems, Report, writeTasks } from './messages.js';
import type { Registry } from './registry.js';
import type { Settings } from './options.js';
import { pack, unpack } from './values.js';
import { Wire } from './wire.js';

/** A worker has as much in hand as takes about so long, in milliseconds, and one task at least. */
const AHEAD = 2;
/** How many tasks that may be at most. */
const MOST_AHEAD = 256;
/** How many recalls there may be that it has not heard of. */
const MOST_UNHEARD = 100;
/** How much the last task counts for the duration that is expected of the next. */
const WEIGHT = 0.2;

/** The pool's ends of its lines, in this process. No child may keep them open. */
const lines = new Set<Worker>();

onForkedChild(() => {
  for (const worker of lines) worker.abandon();
  lines.clear();
});

/** What a worker tells its pool. */
export interface WorkerEvents {
  /** It has one task less in hand, or has become ready. */
  hasRoom(worker: Worker): void;
  /** Its initializer has failed. */
  failed(worker: Worker, error: unknown): void;
  /** The process has ended; not more than that is known. */
  ended(worker: Worker): void;
}

/** What a worker had in hand when it ended or was ended. */
export interface Remains {
  exitcode: number | undefined;
  signal: NodeJS.Signals | null;
  /** Tasks that were begun, and how many of their items. */
  begun: { task: Task; items: number }[];
  /** Tasks that were not. */
  untouched: Task[];
}

/** Whether the tasks of two jobs can go in one message. */
function areAlike(one: Job, other: Job): boolean {
  if (one === other) return true;
  return (
    one.fnNumber === other.fnNumber &&
    one.spreads === other.spreads &&
    one.goesOn === other.goesOn &&
    one.inputNumber === 0 &&
    other.inputNumber === 0 &&
    (one.timeout === Infinity) === (other.timeout === Infinity)
  );
}

/** A list of its own: V8 writes one that may have holes, as a user's may, three times as slowly. */
function itemsOf(tasks: readonly Task[]): readonly unknown[] {
  const items: unknown[] = [];
  for (const task of tasks) {
    for (const item of task.job.itemsOf(task)) items.push(item);
  }
  return items;
}

export class Worker implements Runner {
  readonly process: ForkPoolWorker;
  readonly pid: number;
  readonly name: string;
  /** The last thing in the registry that it knows. */
  readonly knows: number;
  readonly startedAt: number = performance.now();
  readonly #events: WorkerEvents;
  readonly #settings: Settings;
  readonly #wire: Wire;
  readonly #ledger = new Ledger();
  readonly #poller: Poller;
  /** Those that were sent, by number. */
  readonly #tasks = new Map<number, Task>();
  /** Places in the ledger that are free, and how many were used so far. */
  readonly #places: number[] = [];
  #placesUsed = 0;
  /** Given, and not yet sent. */
  #outgoing: Task[] = [];
  /** The number of the next task to send. */
  #next = 0;
  /** How many tasks it has in hand, sent or not. */
  held = 0;
  /** How many it was given in its life. */
  given = 0;
  completed = 0;
  /** How long its tasks took, in milliseconds. */
  busyTime = 0;
  /** Whether its initializer is done. */
  isReady = false;
  /** What that has thrown. */
  failure: unknown;
  /** Whether it gets no further tasks. */
  isRetiring = false;
  /** Whether it was told to end, or made to. */
  isCondemned = false;
  hasEnded = false;
  /** When it is killed, if it was condemned and has not ended by then. */
  killAt: number = Infinity;
  /** When it became idle, by the clock of performance.now(). */
  idleSince: number = performance.now();
  /** How long a task takes, in milliseconds, as far as one can tell. */
  #expected: number | undefined;
  #watched = 0;
  #keepsAlive = true;

  /** Forks. @throws what `Process.start()` throws */
  constructor(settings: Settings, registry: Registry, events: WorkerEvents) {
    this.#settings = settings;
    this.#events = events;
    this.knows = registry.last;
    const [ours, theirs] = socketpair();
    this.#wire = new Wire(ours);
    this.#poller = makePoller(ours, () => this.receive());
    lines.add(this);
    this.process = new ForkPoolWorker({
      fd: theirs,
      ledger: this.#ledger,
      things: registry.snapshot(),
      initializer: settings.initializer,
      initargs: settings.initargs,
      concurrency: settings.concurrency,
      maxGrowth: settings.maxGrowth,
    });
    try {
      this.process.start();
    } catch (error) {
      this.#close();
      throw error;
    }
    this.pid = this.process.pid!;
    this.name = this.process.name;
    this.process.onEnd(() => {
      if (this.hasEnded) return;
      this.hasEnded = true;
      events.ended(this);
    });
    this.#watch();
    this.#keepLoopAlive();
  }

  get state(): 'starting' | 'busy' | 'idle' | 'ending' {
    if (this.isCondemned || this.hasEnded) return 'ending';
    if (!this.isReady) return 'starting';
    return this.held > 0 ? 'busy' : 'idle';
  }

  /** For those who wait without the event loop. */
  get wishes(): Wish[] {
    const end: Wish = { fd: this.process.sentinel, event: READABLE };
    return this.#wire.hasEnded ? [end] : [{ fd: this.#wire.fd, event: this.#wanted() }, end];
  }

  /** How many tasks it may have in hand. */
  get window(): number {
    const { concurrency, maxTasks } = this.#settings;
    const ahead = this.#expected === undefined ? 1 : Math.ceil(AHEAD / this.#expected);
    const most = Math.max(1, Math.min(ahead, MOST_AHEAD));
    // One that has not heard yet that tasks were taken back is at a long task.
    const window = concurrency + (this.#ledger.unheard > 0 ? 0 : most);
    return Math.min(window, this.held + maxTasks - this.given);
  }

  get canTakeMore(): boolean {
    if (this.isRetiring || this.isCondemned || this.hasEnded) return false;
    const number = numberAfter(this.#next, this.#outgoing.length);
    if (this.#ledger.unheard > MOST_UNHEARD || this.#tasks.has(number)) return false;
    return this.held < this.window;
  }

  get isExhausted(): boolean {
    return this.given >= this.#settings.maxTasks;
  }

  /** How many tasks it has in hand that it has not begun. */
  get waiting(): number {
    return distance(this.#ledger.next, this.#next) + this.#outgoing.length;
  }

  give(task: Task): void {
    this.#outgoing.push(task);
    this.held++;
    this.given++;
  }

  /** Sends what was given. */
  post(): void {
    const tasks = this.#outgoing;
    this.#keepLoopAlive();
    if (tasks.length === 0) return;
    this.#outgoing = [];
    let from = 0;
    for (let to = 1; to <= tasks.length; to++) {
      if (to < tasks.length && areAlike(tasks[from]!.job, tasks[to]!.job)) continue;
      this.#send(tasks.slice(from, to));
      from = to;
    }
    this.#write();
  }

  /** Takes back what was not begun, the first one first. */
  recall(): Task[] {
    const next = this.#ledger.recall();
    const tasks: Task[] = [];
    for (let number = next; number !== this.#next; number = numberAfter(number, 1)) {
      const task = this.#tasks.get(number);
      if (task === undefined) continue;
      this.#forget(task);
      tasks.push(task);
    }
    tasks.push(...this.#outgoing);
    this.#outgoing = [];
    this.held -= tasks.length;
    this.given -= tasks.length;
    this.#next = next;
    this.#wire.queue([Buffer.of(Order.recall)]);
    this.#write();
    return tasks;
  }

  /** Whether it has a task of `job` in hand: undefined, or whether one of them was begun. */
  hasBegun(job: Job): boolean | undefined {
    let found: boolean | undefined = this.#outgoing.some((task) => task.job === job)
      ? false
      : undefined;
    for (const { task, isBegun } of this.#sent()) {
      if (task.job !== job) continue;
      if (isBegun) return true;
      found = false;
    }
    return found;
  }

  /** When the next of its tasks may have taken too long; calls `expire` for those that have. */
  checkTimeouts(now: number, expire: (task: Task, items: number) => void): number {
    let next = Infinity;
    for (const { task, isBegun } of this.#sent()) {
      const { timeout } = task.job;
      if (timeout === Infinity) continue;
      const begunAt = isBegun ? this.#ledger.itemBegunAt(task.place) : now;
      if (now < begunAt + timeout) {
        next = Math.min(next, begunAt + timeout);
        continue;
      }
      this.#drop(task);
      expire(task, this.#ledger.itemsBegun(task.place));
    }
    return next;
  }

  /** Lets it end by itself when it has done what it has in hand. */
  stop(): void {
    this.isRetiring = true;
    this.isCondemned = true;
    this.#wire.queue([Buffer.of(Order.stop)]);
    this.#write();
    this.#keepLoopAlive();
  }

  /** Looks for what may have happened, without the event loop. */
  look(): void {
    if (!this.#wire.hasEnded) this.receive();
    if (!this.hasEnded) this.process.isAlive();
  }

  /** Ends it at once. */
  kill(): void {
    if (!this.hasEnded) this.process.kill();
  }

  /** Reads what it has to say. */
  receive(): void {
    this.#wire.read((message) => this.#hear(message));
    this.#write();
    // It is at its end, or has closed what it must not close.
    if (!this.#wire.hasEnded || this.hasEnded) return;
    this.process.keepLoopAlive();
    this.process.kill();
  }

  /** Call it when the process has ended. Reads what it has left, and frees everything. */
  bury(): Remains {
    // Where there are no pidfds it may still be about to end.
    this.process.kill();
    this.process.joinSync();
    for (let isMore = true; isMore;) {
      isMore = false;
      this.#wire.read((message) => {
        isMore = true;
        this.#hear(message);
      });
    }
    const { exitcode, exitSignal: signal } = this.process;
    const remains: Remains = { begun: [], untouched: [], exitcode: exitcode ?? undefined, signal };
    for (const { task, isBegun } of this.#sent()) {
      if (isBegun) remains.begun.push({ task, items: this.#ledger.itemsBegun(task.place) });
      else remains.untouched.push(task);
    }
    remains.untouched.push(...this.#outgoing);
    this.#outgoing = [];
    this.held = 0;
    this.#close();
    this.process.close();
    return remains;
  }

  /** In a forked child: the worker is the parent's. */
  abandon(): void {
    this.#poller.close();
    this.#wire.close();
  }

  #close(): void {
    if (!lines.delete(this)) return;
    this.#poller.close();
    this.#wire.close();
    this.#ledger.close();
  }

  /** Its tasks, in the order in which they were sent. */
  *#sent(): Iterable<{ task: Task; isBegun: boolean }> {
    const begun = this.#ledger.next;
    const waiting = distance(begun, this.#next);
    for (const task of this.#tasks.values()) {
      yield { task, isBegun: distance(begun, task.number) >= waiting };
    }
  }

  /** Sends tasks that are alike. */
  #send(tasks: Task[]): void {
    const [{ job }] = tasks as [Task];
    const input = job.inputNumber !== 0 && job.inputNumber <= this.knows ? job.inputNumber : 0;
    const head = writeTasks({
      spreads: job.spreads,
      isTimed: job.timeout !== Infinity,
      goesOn: job.goesOn,
      fn: job.fnNumber,
      input,
      number: this.#next,
      places: tasks.map((task) => (task.place = this.#places.pop() ?? this.#placesUsed++)),
      sizes: tasks.map((task) => task.size),
      firsts: input === 0 ? [] : tasks.map((task) => task.first),
    });
    let packed: Uint8Array[] = [];
    try {
      if (input === 0) packed = pack(itemsOf(tasks), job.spreads);
    } catch (error) {
      this.#sendOneByOne(tasks, error);
      return;
    }
    for (const task of tasks) {
      task.number = this.#next;
      this.#tasks.set(task.number, task);
      this.#next = numberAfter(this.#next, 1);
    }
    this.#wire.queue([head, ...packed]);
  }

  /** One of the tasks cannot be sent. */
  #sendOneByOne(tasks: Task[], error: unknown): void {
    for (const { place } of tasks) this.#places.push(place);
    if (tasks.length > 1) {
      for (const task of tasks) this.#send([task]);
      return;
    }
    this.held--;
    this.given--;
    tasks[0]!.job.unsendable(tasks[0]!, error);
    this.#events.hasRoom(this);
  }

  #write(): void {
    this.#wire.write();
    this.#watch();
  }

  #wanted(): number {
    return READABLE | (this.#wire.isBlocked ? WRITABLE : 0);
  }

  /** Only who has something in hand does. */
  #keepLoopAlive(): void {
    const keepsAlive = this.held > 0;
    if (keepsAlive !== this.#keepsAlive && !this.#wire.hasEnded) this.#poller.setRef(keepsAlive);
    this.#keepsAlive = keepsAlive;
  }

  #watch(): void {
    if (this.#wire.hasEnded) {
      this.#poller.stop();
      return;
    }
    const wanted = this.#wanted();
    if (wanted !== this.#watched) startPoller(this.#poller, wanted);
    this.#watched = wanted;
  }

  #hear(message: Buffer): void {
    switch (message[0]) {
      case Report.ready:
        this.isReady = true;
        this.#events.hasRoom(this);
        return;
      case Report.failed:
        this.#events.failed(this, unpack(message.subarray(1))[0]);
        return;
      case Report.grown:
        this.isRetiring = true;
        this.#events.hasRoom(this);
        return;
      default:
        this.#hearOfItems(message);
    }
  }

  #hearOfItems(message: Buffer): void {
    const { head, values } = readItems(message);
    this.busyTime += head.duration;
    const task = this.#tasks.get(head.number);
    if (task === undefined) return; // nobody waits for it any more
    const { first, count } = head;
    task.reported = first + count;
    try {
      const list = unpack(values);
      if (head.kind === Report.values) task.job.values(task, list, first);
      else this.#failItem(task, first, list[0]);
    } catch (error) {
      // What V8 has written it cannot always read.
      for (let i = 0; i < count; i++) this.#failItem(task, first + i, error);
    }
    if (task.reported < task.size) return;
    const weight = this.#expected === undefined ? 1 : WEIGHT;
    this.#expected = (this.#expected ?? 0) * (1 - weight) + head.duration * weight;
    this.completed++;
    this.#drop(task);
    this.#events.hasRoom(this);
  }

  #failItem(task: Task, item: number, error: unknown): void {
    if (!task.job.error(task, item, error, this)) task.reported = task.size;
  }

  #forget(task: Task): void {
    this.#tasks.delete(task.number);
    this.#places.push(task.place);
  }

  #drop(task: Task): void {
    this.#forget(task);
    this.held--;
    if (this.held === 0) this.idleSince = performance.now();
  }
}
