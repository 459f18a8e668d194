// The tasks that a worker has in hand, and what it may say of them.
import { performance } from '../../common/originals.js';
import type { Runner } from '../jobs/call-sites.js';
import type { Job, Task } from '../jobs/job.js';
import { distance, Ledger, numberAfter } from '../line/ledger.js';
import { Report, unreadable, type ItemsHead } from '../line/messages.js';
import { unpack } from '../line/values.js';

/** How much the last task counts for the duration that is expected of the next. */
const WEIGHT = 0.2;

/** Tasks that a worker still had in hand when it ended. */
export interface Rest {
  /** Tasks that were begun, and how many of their items. */
  begun: { task: Task; items: number }[];
  /** Tasks that were not. */
  untouched: Task[];
}

export class Hand {
  /** Where the worker says what it has begun. */
  readonly ledger: Ledger = new Ledger();
  /** Tasks that were sent, by number. */
  readonly #tasks = new Map<number, Task>();
  /** Places in the ledger that are free, and how many were used so far. */
  readonly #places: number[] = [];
  #placesUsed = 0;
  /** Given, and not yet sent. */
  #outgoing: Task[] = [];
  /** The number of the next task to send. */
  next = 0;
  /** How many tasks there are, sent or not. */
  held = 0;
  /** How many there were in all. */
  given = 0;
  completed = 0;
  /** How long they took, in milliseconds. */
  busyTime = 0;
  /** Since when there is none, by the clock of performance.now(). */
  idleSince: number = performance.now();
  /** How long a task takes, in milliseconds, as far as one can tell. */
  expected: number | undefined;

  /** How many tasks were not begun. */
  get waiting(): number {
    return distance(this.ledger.next, this.next) + this.#outgoing.length;
  }

  /** Whether the number that comes next is still in use. */
  get isFull(): boolean {
    return this.#tasks.has(numberAfter(this.next, this.#outgoing.length));
  }

  give(task: Task): void {
    this.#outgoing.push(task);
    this.held++;
    this.given++;
  }

  /** The tasks that were given since the last call, to be sent. */
  takeOutgoing(): Task[] {
    const tasks = this.#outgoing;
    if (tasks.length > 0) this.#outgoing = [];
    return tasks;
  }

  /** Finds a place for a task that is about to be sent. */
  place(task: Task): number {
    return (task.place = this.#places.pop() ?? this.#placesUsed++);
  }

  /** They have their places, and are sent now. */
  enter(tasks: readonly Task[]): void {
    for (const task of tasks) {
      task.number = this.next;
      this.#tasks.set(task.number, task);
      this.next = numberAfter(this.next, 1);
    }
  }

  /** They have their places, and are not sent; others may be, one by one. */
  leave(tasks: readonly Task[]): void {
    for (const { place } of tasks) this.#places.push(place);
  }

  /** One of those will not be sent at all. */
  discard(): void {
    this.held--;
    this.given--;
  }

  /** Takes back what was not begun, the first one first. */
  recall(): Task[] {
    const first = this.ledger.recall();
    const tasks: Task[] = [];
    for (let number = first; number !== this.next; number = numberAfter(number, 1)) {
      const task = this.#tasks.get(number);
      if (task === undefined) continue;
      this.#forget(task);
      tasks.push(task);
    }
    for (const task of this.takeOutgoing()) tasks.push(task);
    this.held -= tasks.length;
    this.given -= tasks.length;
    this.next = first;
    return tasks;
  }

  /** Whether there is a task of `job`, begun or not. */
  holds(job: Job): boolean {
    const isOf = (task: Task): boolean => task.job === job;
    return this.#outgoing.some(isOf) || [...this.#tasks.values()].some(isOf);
  }

  /** When the next of them may have taken too long; calls `expire` for those that have. */
  checkTimeouts(now: number, expire: (task: Task, items: number) => void): number {
    let next = Infinity;
    for (const { task, isBegun } of this.#sent()) {
      const { timeout } = task.job;
      if (timeout === Infinity) continue;
      const begunAt = isBegun ? this.ledger.itemBegunAt(task.place) : now;
      if (now < begunAt + timeout) {
        next = Math.min(next, begunAt + timeout);
        continue;
      }
      this.#drop(task);
      expire(task, this.#itemsBegun(task));
    }
    return next;
  }

  /**
   * Items of a task are done.
   *
   * @returns whether that is the end of the task
   * @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE` if no worker could say so
   */
  receive(head: ItemsHead, packed: Buffer, runner: Runner): boolean {
    this.busyTime += head.duration;
    const task = this.#tasks.get(head.number);
    if (task === undefined) return false; // nobody waits for it any more
    this.#assertDue(task, head);
    task.reported += head.count;
    this.#pass(task, head, packed, runner);
    if (task.reported < task.size) return false;
    const weight = this.expected === undefined ? 1 : WEIGHT;
    this.expected = (this.expected ?? 0) * (1 - weight) + head.duration * weight;
    this.completed++;
    this.#drop(task);
    return true;
  }

  /** Leaves nothing. */
  empty(): Rest {
    const rest: Rest = { begun: [], untouched: [] };
    for (const { task, isBegun } of this.#sent()) {
      if (isBegun) rest.begun.push({ task, items: this.#itemsBegun(task) });
      else rest.untouched.push(task);
    }
    for (const task of this.takeOutgoing()) rest.untouched.push(task);
    this.#tasks.clear();
    this.held = 0;
    return rest;
  }

  /** The tasks that were sent, in that order. */
  *#sent(): Iterable<{ task: Task; isBegun: boolean }> {
    const { next } = this.ledger;
    for (const task of this.#tasks.values()) yield { task, isBegun: this.#isBegun(task, next) };
  }

  #isBegun({ number }: Task, next: number): boolean {
    return distance(next, number) >= distance(next, this.next);
  }

  #itemsBegun({ place, size }: Task): number {
    return Math.min(this.ledger.itemsBegun(place), size);
  }

  /** Items are reported in their order, once, and after they were begun. */
  #assertDue(task: Task, { first, count }: ItemsHead): void {
    const isNext = first === task.reported && first + count <= task.size;
    if (!isNext || !this.#isBegun(task, this.ledger.next)) throw unreadable();
  }

  #pass(task: Task, { kind, first, count }: ItemsHead, packed: Buffer, runner: Runner): void {
    let list: unknown[];
    try {
      list = unpack(packed, count);
    } catch (error) {
      // V8 cannot always read what it has written.
      const failed = task.job.goesOn ? count : 1; // or all of the task, at once
      for (let i = 0; i < failed; i++) this.#fail(task, first + i, error, runner);
      return;
    }
    if (kind === Report.values) task.job.values(task, list, first);
    else this.#fail(task, first, list[0], runner);
  }

  #fail(task: Task, item: number, error: unknown, runner: Runner): void {
    if (!task.job.error(task, item, error, runner)) task.reported = task.size;
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
