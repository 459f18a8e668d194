// Locks of a server. Their owners are client processes, and who dies with one leaves it to the next.
import { ProcessError } from '../../errors.js';
import { Outcome } from '../outcome.js';
import type { Caller, Holding, Session } from '../session.js';
import { behaviourOf, setBehaviour } from '../types.js';
import { Line } from './line.js';

/** A lock that one client has at a time, as often as it likes. */
abstract class OwnedLock implements Holding {
  owner: Session | undefined;
  count = 0;
  readonly #line = new Line<number>();
  /** Whether its last owner has died with it, and nobody has had it since. */
  #isLeft = false;

  abstract canEnterAgain(session: Session): boolean;

  acquire(caller: Caller, timeout: number): number | Promise<number> {
    const { session } = caller;
    if (this.owner === undefined) return this.#give(session, 1);
    if (this.canEnterAgain(session)) {
      this.count++;
      return Outcome.acquired;
    }
    return timeout > 0 ? this.#wait(caller, timeout) : Outcome.timedOut;
  }

  isOwnedBy(session: Session): boolean {
    return this.owner === session;
  }

  get isHeld(): boolean {
    return this.owner !== undefined;
  }

  /** @returns what {@link acquireAgain} needs */
  releaseAll(): number {
    const { count } = this;
    this.passOn();
    return count;
  }

  async acquireAgain(caller: Caller, count: number): Promise<void> {
    if (this.owner === undefined) this.#give(caller.session, count);
    else await this.#wait(caller, Infinity);
    this.count = count;
  }

  onHolderGone(session: Session): void {
    if (this.owner !== session) return;
    this.#isLeft = true;
    this.passOn();
  }

  protected passOn(): void {
    this.owner?.holdings.delete(this);
    this.owner = undefined;
    this.count = 0;
    const next = this.#line.first;
    if (next !== undefined) this.#line.give(this.#give(next, 1));
  }

  async #wait(caller: Caller, timeout: number): Promise<number> {
    const given = await this.#line.wait(caller, timeout);
    return given?.value ?? Outcome.timedOut;
  }

  #give(session: Session, count: number): number {
    this.owner = session;
    this.count = count;
    session.holdings.add(this);
    const outcome = this.#isLeft ? Outcome.recovered : Outcome.acquired;
    this.#isLeft = false;
    // Whoever is gone by now does not keep it.
    if (session.isOver) queueMicrotask(() => this.onHolderGone(session));
    return outcome;
  }
}

export class ManagedLock extends OwnedLock {
  override canEnterAgain(): boolean {
    return false;
  }

  /** Anybody may. */
  release(): void {
    if (this.owner !== undefined) return this.passOn();
    throw new ProcessError('ERR_TRUEFORK_NOT_LOCKED', 'semaphore or lock released too many times');
  }
}

export class ManagedRLock extends OwnedLock {
  override canEnterAgain(session: Session): boolean {
    return this.owner === session;
  }

  release(caller: Caller): void {
    if (this.owner !== caller.session) {
      throw new ProcessError(
        'ERR_TRUEFORK_NOT_OWNED',
        'attempt to release recursive lock not owned by thread',
      );
    }
    if (--this.count === 0) this.passOn();
  }
}

const lockOperations = {
  acquire: (lock: ManagedLock | ManagedRLock, [timeout = Infinity]: [number?], caller: Caller) =>
    lock.acquire(caller, timeout),
  release: (lock: ManagedLock | ManagedRLock, _args: [], caller: Caller) => lock.release(caller),
  locked: (lock: ManagedLock | ManagedRLock) => lock.isHeld,
};

setBehaviour(ManagedLock, behaviourOf('Lock', lockOperations));
setBehaviour(ManagedRLock, behaviourOf('RLock', lockOperations));
