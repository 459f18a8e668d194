// Queues of a server.
import { Empty, Full, ProcessError } from '../../../common/errors.js';
import { Fifo } from '../../../common/fifo.js';
import { assertInteger } from '../../../common/validate.js';
import { JoinableQueue, Queue } from '../../../queues/index.js';
import type { ClientCall, Holding, Session } from '../session.js';
import { behaviourOf, type Operations, setBehaviour } from '../types.js';
import { Line } from './line.js';

export class ManagedQueue {
  readonly #maxsize: number;
  readonly #items = new Fifo<unknown>();
  readonly #getters = new Line<unknown>();
  /** They are given room. */
  readonly #putters = new Line();
  /** Room that is given away, and not yet filled. */
  #promised = 0;

  /** @param maxsize 0 or less: no limit */
  constructor(maxsize = 0) {
    assertInteger(maxsize, 'maxsize');
    this.#maxsize = maxsize;
  }

  get size(): number {
    return this.#items.length;
  }

  get isFull(): boolean {
    return this.#maxsize > 0 && this.#items.length + this.#promised >= this.#maxsize;
  }

  put(call: ClientCall, item: unknown, timeout: number): void | Promise<void> {
    if (!this.isFull) return this.add(item);
    if (timeout <= 0) throw new Full();
    return this.#putLater(call, item, timeout);
  }

  get(call: ClientCall, timeout: number): unknown {
    if (this.#items.length > 0) return this.#take();
    if (timeout <= 0) throw new Empty();
    return this.#getLater(call, timeout);
  }

  protected add(item: unknown): void {
    if (!this.#getters.give(item)) this.#items.push(item);
  }

  #take(): unknown {
    const item = this.#items.shift();
    this.#offerRoom();
    return item;
  }

  #offerRoom(): void {
    if (!this.isFull && this.#putters.give()) this.#promised++;
  }

  async #putLater(call: ClientCall, item: unknown, timeout: number): Promise<void> {
    if ((await this.#putters.wait(call, timeout)) === undefined) throw new Full();
    this.#promised--;
    if (call.session.isOver) this.#offerRoom();
    else this.add(item);
  }

  async #getLater(call: ClientCall, timeout: number): Promise<unknown> {
    const given = await this.#getters.wait(call, timeout);
    if (given === undefined) throw new Empty();
    // A client that is gone by now does not take it along.
    if (call.session.isOver && !this.#getters.give(given.value)) this.#items.unshift(given.value);
    return given.value;
  }
}

/** The tasks that one client has taken. */
class Taken implements Holding {
  readonly #queue: ManagedJoinableQueue;
  count = 0;

  constructor(queue: ManagedJoinableQueue) {
    this.#queue = queue;
  }

  onHolderGone(session: Session): void {
    this.#queue.lose(session, this.count);
  }
}

export class ManagedJoinableQueue extends ManagedQueue {
  #unfinished = 0;
  /** How many were taken by clients that have ended without taskDone(), since the last join(). */
  #lost = 0;
  readonly #taken = new Map<Session, Taken>();
  readonly #joiners = new Line();

  override get(call: ClientCall, timeout: number): unknown {
    const item = super.get(call, timeout);
    if (!(item instanceof Promise)) {
      this.#note(call.session);
      return item;
    }
    return item.then((value: unknown) => {
      this.#note(call.session);
      return value;
    });
  }

  taskDone({ session }: ClientCall): void {
    if (this.#unfinished === 0) {
      throw new ProcessError('ERR_TRUEFORK_TOO_MANY_DONE', 'taskDone() called too many times');
    }
    const taken = this.#taken.get(session);
    if (taken !== undefined && taken.count > 0) taken.count--;
    this.#finish(1);
  }

  /** @returns false after the timeout */
  async join(call: ClientCall, timeout: number): Promise<boolean> {
    if (this.#unfinished > 0) {
      const given = timeout > 0 ? await this.#joiners.wait(call, timeout) : undefined;
      if (given === undefined) return false;
    }
    if (this.#lost > 0) throw this.#lostError();
    return true;
  }

  /** Nobody will say that these are done. */
  lose(session: Session, count: number): void {
    this.#taken.delete(session);
    this.#lost += count;
    this.#finish(count);
  }

  protected override add(item: unknown): void {
    this.#unfinished++;
    super.add(item);
  }

  #note(session: Session): void {
    if (session.isOver) return;
    let taken = this.#taken.get(session);
    if (taken === undefined) this.#taken.set(session, (taken = new Taken(this)));
    session.holdings.add(taken);
    taken.count++;
  }

  #finish(count: number): void {
    this.#unfinished = Math.max(0, this.#unfinished - count);
    if (this.#unfinished === 0) while (this.#joiners.give());
  }

  #lostError(): ProcessError {
    const count = this.#lost;
    this.#lost = 0;
    return new ProcessError(
      'ERR_TRUEFORK_TASKS_LOST',
      `${count} of the items were taken by processes that ended without taskDone()`,
    );
  }
}

const operations: Operations<ManagedQueue> = {
  put: (queue, [item, timeout = Infinity], call) => queue.put(call, item, timeout),
  get: (queue, [timeout = Infinity], call) => queue.get(call, timeout),
  putNowait: (queue, [item], call) => queue.put(call, item, 0),
  getNowait: (queue, _args, call) => queue.get(call, 0),
  empty: ({ size }) => size === 0,
  qsize: ({ size }) => size,
  full: ({ isFull }) => isFull,
};

const joinableOperations: Operations<ManagedJoinableQueue> = {
  ...(operations as Operations<ManagedJoinableQueue>),
  taskDone: (queue, _args, call) => queue.taskDone(call),
  join: (queue, [timeout = Infinity], call) => queue.join(call, timeout),
};

/**
 * Queues in shared memory, which a program may have registered: their calls that block would hold
 * up all clients.
 */
const sharedOperations: Operations<Queue> = {
  put: (queue, [item, timeout = Infinity], { signal }) => queue.put(item, { timeout, signal }),
  get: (queue, [timeout = Infinity], { signal }) => queue.get({ timeout, signal }),
  putNowait: (queue, [item]) => queue.putNowait(item),
  getNowait: (queue) => queue.getNowait(),
  empty: (queue) => queue.empty(),
  qsize: (queue) => queue.qsize(),
  full: (queue) => queue.full(),
};

const sharedJoinableOperations: Operations<JoinableQueue> = {
  ...(sharedOperations as Operations<JoinableQueue>),
  taskDone: (queue) => queue.taskDone(),
  join: (queue, [timeout = Infinity], { signal }) => queue.join({ timeout, signal }),
};

// The first that fits counts.
setBehaviour(JoinableQueue, behaviourOf('JoinableQueue', sharedJoinableOperations));
setBehaviour(Queue, behaviourOf('Queue', sharedOperations));
setBehaviour(ManagedJoinableQueue, behaviourOf('JoinableQueue', joinableOperations));
setBehaviour(ManagedQueue, behaviourOf('Queue', operations));
