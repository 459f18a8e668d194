// The tasks of a worker on their way to it: those that are alike go in one message.
import type { Job, Task } from '../jobs/job.js';
import { writeTasks } from '../line/messages.js';
import { pack } from '../line/values.js';
import type { Wire } from '../line/wire.js';
import type { Hand } from './hand.js';
import { SentTickets } from './sent-tickets.js';

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

export class Outbox {
  readonly #hand: Hand;
  readonly #wire: Wire;
  readonly #knows: number;
  readonly #onRefusal: () => void;
  readonly #tickets = new SentTickets();

  /**
   * @param knows the last thing in the registry that the worker knows
   * @param onRefusal called when a task cannot be sent, and its job was told
   */
  constructor(hand: Hand, wire: Wire, knows: number, onRefusal: () => void) {
    this.#hand = hand;
    this.#wire = wire;
    this.#knows = knows;
    this.#onRefusal = onRefusal;
  }

  /** Queues all that was given. @returns whether there was anything */
  queue(): boolean {
    const tasks = this.#hand.takeOutgoing();
    let from = 0;
    for (let to = 1; to <= tasks.length; to++) {
      if (to < tasks.length && areAlike(tasks[from]!.job, tasks[to]!.job)) continue;
      this.#queueAlike(tasks.slice(from, to));
      from = to;
    }
    return tasks.length > 0;
  }

  /** The worker has read the message that brought it the task `number`. */
  wasRead(number: number): void {
    this.#tickets.wasRead(number);
  }

  /** The worker is gone. */
  discard(): void {
    this.#tickets.discard();
  }

  #queueAlike(tasks: Task[]): void {
    const [{ job }] = tasks as [Task];
    const input = job.inputNumber !== 0 && job.inputNumber <= this.#knows ? job.inputNumber : 0;
    const number = this.#hand.next;
    const head = writeTasks({
      spreads: job.spreads,
      isTimed: job.timeout !== Infinity,
      goesOn: job.goesOn,
      fn: job.fnNumber,
      input,
      number,
      places: tasks.map((task) => this.#hand.place(task)),
      sizes: tasks.map((task) => task.size),
      firsts: input === 0 ? [] : tasks.map((task) => task.first),
    });
    let packed: Uint8Array[] = [];
    try {
      if (input === 0) packed = this.#pack(tasks, number);
    } catch (error) {
      this.#queueOneByOne(tasks, error);
      return;
    }
    this.#hand.enter(tasks);
    this.#wire.queue([head, ...packed]);
  }

  #pack(tasks: Task[], number: number): Uint8Array[] {
    const { parts, tickets } = pack(itemsOf(tasks), tasks[0]!.job.spreads);
    this.#tickets.add(number, tickets);
    return parts;
  }

  /** One of the tasks cannot be sent. */
  #queueOneByOne(tasks: Task[], error: unknown): void {
    this.#hand.leave(tasks);
    if (tasks.length > 1) {
      for (const task of tasks) this.#queueAlike([task]);
      return;
    }
    this.#hand.discard();
    tasks[0]!.job.unsendable(tasks[0]!, error);
    this.#onRefusal();
  }
}
