// A worker as its pool sees it: what it has in hand, and the line to it.
import { performance } from '../../common/originals.js';
import { onForkedChild } from '../../common/per-process.js';
import { socketpair } from '../../posix/descriptors.js';
import {
  makePoller,
  READABLE,
  startPoller,
  WRITABLE,
  type Poller,
  type Wish,
} from '../../posix/poller.js';
import type { Runner } from '../jobs/call-sites.js';
import type { Job, Loss, Task } from '../jobs/job.js';
import { Order, readReport, unreadable, type WorkerReport } from '../line/messages.js';
import { unpack } from '../line/values.js';
import { makeMark, Wire } from '../line/wire.js';
import type { Settings } from '../options.js';
import { ForkPoolWorker } from '../worker/fork-pool-worker.js';
import { Hand, type Rest } from './hand.js';
import { Outbox } from './outbox.js';
import type { Registry } from './registry.js';

/** A worker has as much in hand as takes about so long, in milliseconds, and one task at least. */
const AHEAD_MS = 2;
/** How many tasks that may be at most. */
const MAX_AHEAD = 256;
/** How many recalls there may be that it has not read of. */
const MAX_UNREAD_RECALLS = 100;
/** The pool's ends of its lines, in this process. No child may keep them open. */
const lines = new Set<Worker>();

onForkedChild(() => {
  for (const worker of lines) worker.abandon();
  lines.clear();
});

/** Events of a worker, for its pool. */
export interface WorkerEvents {
  /** It has one task less in hand, or has become ready. */
  hasRoom(worker: Worker): void;
  /** The process has ended; not more than that is known. */
  ended(worker: Worker): void;
}

/**
 * The life of a worker, in this order, of which it may skip steps:
 *
 * - open: it gets tasks.
 * - retiring: it gets no further ones, and is dismissed when it has done those that it has in hand.
 * - leaving: it was told to end, or is made to. Its end costs the pool nothing.
 */
export type Phase = 'open' | 'retiring' | 'leaving';

export class Worker implements Runner {
  readonly process: ForkPoolWorker;
  readonly pid: number;
  readonly name: string;
  /** The last thing in the registry that it knows. */
  readonly knows: number;
  readonly startedAt: number = performance.now();
  readonly #events: WorkerEvents;
  readonly #settings: Settings;
  readonly #hand = new Hand();
  readonly #wire: Wire;
  readonly #poller: Poller;
  readonly #outbox: Outbox;
  #phase: Phase = 'open';
  #isReady = false;
  #failure: unknown;
  #hasEnded = false;
  #killAt = Infinity;
  /** Why nothing that it says is listened to any more. */
  #breach: unknown;
  #watched = 0;

  /** Forks. @throws what `Process.start()` throws */
  constructor(settings: Settings, registry: Registry, events: WorkerEvents) {
    this.#settings = settings;
    this.#events = events;
    this.knows = registry.last;
    const [ours, theirs] = socketpair();
    const mark = makeMark();
    this.#wire = new Wire(ours, mark);
    this.#outbox = new Outbox(this.#hand, this.#wire, this.knows, () => events.hasRoom(this));
    this.#poller = makePoller(ours, () => this.receive());
    this.#poller.setRef(false); // the crew knows whether there is something to wait for
    lines.add(this);
    this.process = new ForkPoolWorker({
      fd: theirs,
      mark,
      ledger: this.#hand.ledger,
      things: registry.snapshot(),
      initializer: settings.initializer,
      initArgs: settings.initArgs,
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
      if (this.#hasEnded) return;
      this.#hasEnded = true;
      events.ended(this);
    });
    this.#watch();
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Whether its initializer is done. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** The error of its initializer. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Whether its process has ended, in whatever phase it was. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** When it is killed if it has not ended by then; Infinity unless it was terminated. */
  get killAt(): number {
    return this.#killAt;
  }

  /** For statistics. */
  get state(): 'starting' | 'busy' | 'idle' | 'ending' {
    if (this.#phase === 'leaving' || this.#hasEnded) return 'ending';
    if (!this.#isReady) return 'starting';
    return this.held > 0 ? 'busy' : 'idle';
  }

  /** How many tasks it has in hand, sent or not. */
  get held(): number {
    return this.#hand.held;
  }

  /** How many it was given in its life. */
  get given(): number {
    return this.#hand.given;
  }

  get completed(): number {
    return this.#hand.completed;
  }

  /** How long its tasks took, in milliseconds. */
  get busyTime(): number {
    return this.#hand.busyTime;
  }

  /** When it became idle, by the clock of performance.now(). */
  get idleSince(): number {
    return this.#hand.idleSince;
  }

  /** How many tasks it has in hand that it has not begun. */
  get waiting(): number {
    return this.#hand.waiting;
  }

  /** For those who wait without the event loop. */
  get wishes(): Wish[] {
    const end: Wish = { fd: this.process.sentinel, event: READABLE };
    return this.#wire.hasEnded ? [end] : [{ fd: this.#wire.fd, event: this.#wanted() }, end];
  }

  /** How many tasks it may have in hand. */
  get window(): number {
    const { concurrency, maxTasks } = this.#settings;
    const { expected, ledger } = this.#hand;
    const ahead = expected === undefined ? 1 : Math.ceil(AHEAD_MS / expected);
    const most = Math.max(1, Math.min(ahead, MAX_AHEAD));
    // A worker that has not read yet that tasks were taken back is at a long task.
    const window = concurrency + (ledger.unreadRecalls > 0 ? 0 : most);
    return Math.min(window, this.held + maxTasks - this.given);
  }

  get canTakeMore(): boolean {
    if (this.#phase !== 'open' || this.#hasEnded || this.#wire.hasEnded) return false;
    if (this.#hand.ledger.unreadRecalls > MAX_UNREAD_RECALLS || this.#hand.isFull) return false;
    return this.held < this.window;
  }

  get isExhausted(): boolean {
    return this.given >= this.#settings.maxTasks;
  }

  give(task: Task): void {
    this.#hand.give(task);
  }

  /** Sends what was given. */
  post(): void {
    if (this.#outbox.queue()) this.#write();
  }

  /** Takes back what was not begun, the first one first. */
  recall(): Task[] {
    const tasks = this.#hand.recall();
    this.#wire.queue([Buffer.of(Order.recall)]);
    this.#write();
    return tasks;
  }

  /** Whether it has a task of `job` in hand, begun or not. */
  holds(job: Job): boolean {
    return this.#hand.holds(job);
  }

  /** When the next of its tasks may have taken too long; calls `expire` for those that have. */
  checkTimeouts(now: number, expire: (task: Task, items: number) => void): number {
    return this.#hand.checkTimeouts(now, expire);
  }

  /** It gets no further tasks. */
  retire(): void {
    if (this.#phase === 'open') this.#phase = 'retiring';
  }

  /** Lets it end by itself when it has done what it has in hand. */
  stop(): void {
    this.#phase = 'leaving';
    this.#wire.queue([Buffer.of(Order.stop)]);
    this.#write();
  }

  /** Looks for what may have happened, without the event loop. */
  look(): void {
    if (!this.#wire.hasEnded) this.receive();
    if (!this.#hasEnded) this.process.isAlive();
  }

  /** Its initializer takes too long: it is killed. */
  failStart(error: unknown): void {
    this.#failure = error;
    this.kill();
  }

  /** Sends SIGTERM. @returns false if that was done before, or it has ended */
  terminate(graceMs: number): boolean {
    if (this.#hasEnded || this.#killAt !== Infinity) return false;
    this.#phase = 'leaving';
    this.process.terminate();
    this.#killAt = performance.now() + graceMs;
    return true;
  }

  /** Ends it at once. */
  kill(): void {
    if (!this.#hasEnded) this.process.kill();
  }

  /**
   * Reads its messages. An error in that is the end of this worker, and of nothing else.
   */
  receive(): void {
    this.#read();
    this.#write();
    // It is at its end, or has closed what it must not close, or something has written to its line.
    if (this.#wire.hasEnded) this.kill();
  }

  /** Call it when the process has ended. Reads what it has left, and frees everything. */
  reap(): Rest & Loss {
    // Where there are no pidfds it may still be about to end.
    this.process.kill();
    this.process.joinSync();
    while (this.#read());
    const { exitcode, exitSignal: signal } = this.process;
    const rest = this.#hand.empty();
    this.#close();
    this.process.close();
    return { ...rest, exitcode: exitcode ?? undefined, signal, cause: this.#breach };
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
    this.#hand.ledger.close();
    this.#outbox.discard();
  }

  /** Returns whether there was a message. */
  #read(): boolean {
    let hasRead = false;
    try {
      this.#wire.read((message) => {
        hasRead = true;
        this.#handle(readReport(message));
      });
      return hasRead;
    } catch (error) {
      this.#breach = error;
      if (!this.#isReady) this.#failure ??= error;
      return false;
    }
  }

  #write(): void {
    this.#wire.write();
    this.#watch();
    if (this.#wire.isCut) this.kill();
  }

  #wanted(): number {
    return READABLE | (this.#wire.isBlocked ? WRITABLE : 0);
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

  #handle(report: WorkerReport): void {
    switch (report.kind) {
      case 'ready':
        this.#assertStarting();
        this.#isReady = true;
        this.#events.hasRoom(this);
        return;
      case 'failed':
        this.#assertStarting();
        this.#failure = this.#failureIn(report.packed);
        return;
      case 'grown':
        this.retire();
        this.#events.hasRoom(this);
        return;
      default:
        if (this.#hand.receive(report.head, report.packed, this)) this.#events.hasRoom(this);
        this.#outbox.wasRead(report.head.number);
    }
  }

  #assertStarting(): void {
    if (this.#isReady || this.#failure !== undefined) throw unreadable();
  }

  #failureIn(packed: Buffer): unknown {
    try {
      return unpack(packed, 1)[0];
    } catch (error) {
      return error;
    }
  }
}
