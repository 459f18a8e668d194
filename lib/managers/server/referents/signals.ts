// Semaphores, conditions, events and barriers of a server.
import { BrokenBarrierError, ProcessError } from '../../../common/errors.js';
import { assertInteger, assertType } from '../../../common/validate.js';
import { Outcome } from '../../protocol/protocol.js';
import { referenceOf } from '../../protocol/reference.js';
import type { ClientCall } from '../session.js';
import { behaviourOf, setBehaviour } from '../types.js';
import { Line } from './line.js';
import { ManagedLock, ManagedRLock } from './locks.js';

/** CPython's SEM_VALUE_MAX. */
const MAX_VALUE = 2 ** 31 - 1;

export class ManagedSemaphore {
  #value: number;
  readonly #most: number;
  readonly #line = new Line();

  constructor(value = 1, isBounded = false) {
    assertInteger(value, 'value', 0, MAX_VALUE);
    this.#value = value;
    this.#most = isBounded ? value : MAX_VALUE;
  }

  get value(): number {
    return this.#value;
  }

  acquire(call: ClientCall, timeout: number): number | Promise<number> {
    if (this.#value > 0) {
      this.#value--;
      return Outcome.acquired;
    }
    return timeout > 0 ? this.#wait(call, timeout) : Outcome.timedOut;
  }

  release(): void {
    if (this.#value >= this.#most) {
      throw new ProcessError(
        'ERR_TRUEFORK_TOO_MANY_RELEASES',
        'semaphore or lock released too many times',
      );
    }
    if (!this.#line.give()) this.#value++;
  }

  async #wait(call: ClientCall, timeout: number): Promise<number> {
    const given = await this.#line.wait(call, timeout);
    return given === undefined ? Outcome.timedOut : Outcome.acquired;
  }
}

export class ManagedCondition {
  readonly lock: ManagedLock | ManagedRLock;
  readonly #line = new Line();

  /** @param lock the proxy of a Lock or an RLock of this manager; default: an RLock of its own */
  constructor(lock?: object) {
    const referent = lock === undefined ? new ManagedRLock() : referenceOf(lock).referent;
    const isRight = referent instanceof ManagedLock || referent instanceof ManagedRLock;
    assertType(isRight, 'lock', 'a Lock or RLock of the same manager', lock);
    this.lock = referent as ManagedLock | ManagedRLock;
  }

  async wait(call: ClientCall, timeout: number): Promise<boolean> {
    this.#assertOwned(call, 'must acquire() condition before using wait()');
    const given = this.lock.releaseAll();
    try {
      return timeout > 0 && (await this.#line.wait(call, timeout)) !== undefined;
    } finally {
      // Not for a client that is gone. After a timeout the client has it again, as in Python.
      if (!call.session.isOver) await this.lock.acquireAgain(call.withoutAbort(), given);
    }
  }

  notify(call: ClientCall, n: number): void {
    this.#assertOwned(call, 'lock is not owned');
    for (let i = 0; i < n && this.#line.give(); i++);
  }

  #assertOwned(call: ClientCall, message: string): void {
    if (!this.lock.isOwnedBy(call)) throw new ProcessError('ERR_TRUEFORK_NOT_OWNED', message);
  }
}

export class ManagedEvent {
  #isSet = false;
  readonly #line = new Line();

  get isSet(): boolean {
    return this.#isSet;
  }

  set(): void {
    this.#isSet = true;
    while (this.#line.give());
  }

  clear(): void {
    this.#isSet = false;
  }

  wait(call: ClientCall, timeout: number): boolean | Promise<boolean> {
    if (this.#isSet || timeout <= 0) return this.#isSet;
    return this.#line.wait(call, timeout).then((given) => given !== undefined);
  }
}

export class ManagedBarrier {
  readonly parties: number;
  readonly timeout: number;
  #broken = false;
  /** Each is given whether it may go on. */
  readonly #line = new Line<boolean>();

  constructor(parties: number, timeout: number = Infinity) {
    assertInteger(parties, 'parties', 1, MAX_VALUE);
    this.parties = parties;
    this.timeout = timeout;
  }

  get nWaiting(): number {
    return this.#line.length;
  }

  get broken(): boolean {
    return this.#broken;
  }

  wait(call: ClientCall, timeout: number = this.timeout): number | Promise<number> {
    if (this.#broken) throw new BrokenBarrierError();
    const index = this.#line.length;
    if (index < this.parties - 1) return this.#wait(call, timeout, index);
    this.#end(true);
    return index;
  }

  reset(): void {
    this.#end(false);
    this.#broken = false;
  }

  abort(): void {
    this.#broken = true;
    this.#end(false);
  }

  async #wait(call: ClientCall, timeout: number, index: number): Promise<number> {
    let given: { value: boolean } | undefined;
    try {
      given = await this.#line.wait(call, timeout);
    } finally {
      // A client whose wait ends early, or that dies, breaks it.
      if (given === undefined) this.abort();
    }
    if (given?.value !== true) throw new BrokenBarrierError();
    return index;
  }

  #end(goesOn: boolean): void {
    while (this.#line.give(goesOn));
  }
}

setBehaviour(
  ManagedSemaphore,
  behaviourOf<ManagedSemaphore>('Semaphore', {
    acquire: (semaphore, [timeout = Infinity], call) => semaphore.acquire(call, timeout),
    release: (semaphore) => semaphore.release(),
    getValue: ({ value }) => value,
  }),
);

setBehaviour(
  ManagedCondition,
  behaviourOf<ManagedCondition>('Condition', {
    acquire: ({ lock }, [timeout = Infinity, forTask = false], call) =>
      lock.acquire(call, timeout, forTask),
    release: ({ lock }, _args, call) => lock.release(call),
    locked: ({ lock }) => lock.isHeld,
    wait: (condition, [timeout = Infinity], call) => condition.wait(call, timeout),
    notify: (condition, [n = 1], call) => condition.notify(call, n),
    notifyAll: (condition, _args, call) => condition.notify(call, Infinity),
  }),
);

setBehaviour(
  ManagedEvent,
  behaviourOf<ManagedEvent>('Event', {
    isSet: (event) => event.isSet,
    set: (event) => event.set(),
    clear: (event) => event.clear(),
    wait: (event, [timeout = Infinity], call) => event.wait(call, timeout),
  }),
);

setBehaviour(
  ManagedBarrier,
  behaviourOf<ManagedBarrier>('Barrier', {
    parties: ({ parties }) => parties,
    nWaiting: ({ nWaiting }) => nWaiting,
    broken: ({ broken }) => broken,
    wait: (barrier, [timeout], call) => barrier.wait(call, timeout),
    reset: (barrier) => barrier.reset(),
    abort: (barrier) => barrier.abort(),
  }),
);
