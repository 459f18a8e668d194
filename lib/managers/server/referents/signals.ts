// Semaphores, conditions, events and barriers of a server.
import { BrokenBarrierError, ProcessError } from '../../../common/errors.js';
import { assertInteger, assertType } from '../../../common/validate.js';
import { Outcome } from '../../protocol/outcome.js';
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

  acquire(caller: ClientCall, timeout: number): number | Promise<number> {
    if (this.#value > 0) {
      this.#value--;
      return Outcome.acquired;
    }
    return timeout > 0 ? this.#wait(caller, timeout) : Outcome.timedOut;
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

  async #wait(caller: ClientCall, timeout: number): Promise<number> {
    const given = await this.#line.wait(caller, timeout);
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

  async wait(caller: ClientCall, timeout: number): Promise<boolean> {
    this.#assertOwned(caller, 'must acquire() condition before using wait()');
    const given = this.lock.releaseAll();
    try {
      return timeout > 0 && (await this.#line.wait(caller, timeout)) !== undefined;
    } finally {
      // Not for a client that is gone. After a timeout the client has it again, as in Python.
      if (!caller.session.isOver) await this.lock.acquireAgain(caller.withoutAbort(), given);
    }
  }

  notify(caller: ClientCall, n: number): void {
    this.#assertOwned(caller, 'lock is not owned');
    for (let i = 0; i < n && this.#line.give(); i++);
  }

  #assertOwned(caller: ClientCall, message: string): void {
    if (!this.lock.isOwnedBy(caller)) throw new ProcessError('ERR_TRUEFORK_NOT_OWNED', message);
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

  wait(caller: ClientCall, timeout: number): boolean | Promise<boolean> {
    if (this.#isSet || timeout <= 0) return this.#isSet;
    return this.#line.wait(caller, timeout).then((given) => given !== undefined);
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

  wait(caller: ClientCall, timeout: number = this.timeout): number | Promise<number> {
    if (this.#broken) throw new BrokenBarrierError();
    const index = this.#line.length;
    if (index < this.parties - 1) return this.#wait(caller, timeout, index);
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

  async #wait(caller: ClientCall, timeout: number, index: number): Promise<number> {
    let given: { value: boolean } | undefined;
    try {
      given = await this.#line.wait(caller, timeout);
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
    acquire: (semaphore, [timeout = Infinity], caller) => semaphore.acquire(caller, timeout),
    release: (semaphore) => semaphore.release(),
    getValue: ({ value }) => value,
  }),
);

setBehaviour(
  ManagedCondition,
  behaviourOf<ManagedCondition>('Condition', {
    acquire: ({ lock }, [timeout = Infinity, forTask = false], caller) =>
      lock.acquire(caller, timeout, forTask),
    release: ({ lock }, _args, caller) => lock.release(caller),
    locked: ({ lock }) => lock.isHeld,
    wait: (condition, [timeout = Infinity], caller) => condition.wait(caller, timeout),
    notify: (condition, [n = 1], caller) => condition.notify(caller, n),
    notifyAll: (condition, _args, caller) => condition.notify(caller, Infinity),
  }),
);

setBehaviour(
  ManagedEvent,
  behaviourOf<ManagedEvent>('Event', {
    isSet: (event) => event.isSet,
    set: (event) => event.set(),
    clear: (event) => event.clear(),
    wait: (event, [timeout = Infinity], caller) => event.wait(caller, timeout),
  }),
);

setBehaviour(
  ManagedBarrier,
  behaviourOf<ManagedBarrier>('Barrier', {
    parties: ({ parties }) => parties,
    nWaiting: ({ nWaiting }) => nWaiting,
    broken: ({ broken }) => broken,
    wait: (barrier, [timeout], caller) => barrier.wait(caller, timeout),
    reset: (barrier) => barrier.reset(),
    abort: (barrier) => barrier.abort(),
  }),
);
