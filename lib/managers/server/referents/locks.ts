// Locks of a server. Their owners are client processes, and who dies with one leaves it to the
// next.
import { ProcessError } from '../../../common/errors.js';
import { queueMicrotask } from '../../../common/originals.js';
import { Outcome } from '../../protocol/protocol.js';
import type { ClientCall, Holding, Session } from '../session.js';
import { behaviourOf, setBehaviour } from '../types.js';
import { Line } from './line.js';

/** The owner of a lock: a client process, or, of an RLock, one task of it. */
interface Owner {
  session: Session;
  task: number | undefined;
}

/** A lock that was given up for a while, as {@link OwnedLock.acquireAgain} takes it. */
export interface Given {
  owner: Owner | undefined;
  count: number;
}

/** Whether it is that task, or one that was begun in it. */
function isWithin({ session, task }: Owner, call: ClientCall): boolean {
  return session === call.session && (task === undefined || call.tasks.includes(task));
}

/** A lock that one client has at a time, as often as it likes. */
abstract class OwnedLock implements Holding {
  #owner: Owner | undefined;
  protected count = 0;
  readonly #line = new Line<number>();
  /** Callers that wait for it on behalf of a single task. */
  readonly #forTasks = new WeakSet<ClientCall>();
  /** Whether its last owner has died with it, and nobody has had it since. */
  #isLeft = false;

  abstract canEnterAgain(call: ClientCall): boolean;

  /**
   * @param forTask whether only the innermost of the caller's tasks is to have it, and those begun
   *   in that
   */
  acquire(call: ClientCall, timeout: number, forTask: boolean): number | Promise<number> {
    if (forTask) this.#forTasks.add(call);
    if (this.#owner === undefined) return this.#give(call);
    if (this.canEnterAgain(call)) {
      this.count++;
      return Outcome.acquired;
    }
    return timeout > 0 ? this.#wait(call, timeout) : Outcome.timedOut;
  }

  isOwnedBy(call: ClientCall): boolean {
    return this.#owner !== undefined && isWithin(this.#owner, call);
  }

  get isHeld(): boolean {
    return this.#owner !== undefined;
  }

  releaseAll(): Given {
    const given = { owner: this.#owner, count: this.count };
    this.passOn();
    return given;
  }

  async acquireAgain(call: ClientCall, { owner, count }: Given): Promise<void> {
    if (this.#owner === undefined) this.#give(call);
    else await this.#wait(call, Infinity);
    // Unless it is somebody else's again, who has been given it by the death of this one.
    if (this.#owner?.session !== call.session) return;
    this.#owner = owner;
    this.count = count;
  }

  onHolderGone(session: Session): void {
    if (this.#owner?.session !== session) return;
    this.#isLeft = true;
    this.passOn();
  }

  protected passOn(): void {
    this.#owner?.session.holdings.delete(this);
    this.#owner = undefined;
    this.count = 0;
    const next = this.#line.first;
    if (next !== undefined) this.#line.give(this.#give(next));
  }

  async #wait(call: ClientCall, timeout: number): Promise<number> {
    const given = await this.#line.wait(call, timeout);
    return given?.value ?? Outcome.timedOut;
  }

  #give(call: ClientCall): number {
    const { session, tasks } = call;
    this.#owner = { session, task: this.#forTasks.has(call) ? tasks.at(-1) : undefined };
    this.count = 1;
    session.holdings.add(this);
    const outcome = this.#isLeft ? Outcome.recovered : Outcome.acquired;
    this.#isLeft = false;
    // A client that is gone by now does not keep it.
    if (session.isOver) queueMicrotask(() => this.onHolderGone(session));
    return outcome;
  }
}

export class ManagedLock extends OwnedLock {
  /** Tasks exclude each other anyway, and anybody may release it. */
  override acquire(call: ClientCall, timeout: number): number | Promise<number> {
    return super.acquire(call, timeout, false);
  }

  override canEnterAgain(): boolean {
    return false;
  }

  /** Anybody may. */
  release(): void {
    if (this.isHeld) return this.passOn();
    throw new ProcessError('ERR_TRUEFORK_NOT_LOCKED', 'semaphore or lock released too many times');
  }
}

export class ManagedRLock extends OwnedLock {
  override canEnterAgain(call: ClientCall): boolean {
    return this.isOwnedBy(call);
  }

  release(call: ClientCall): void {
    if (!this.isOwnedBy(call)) {
      throw new ProcessError(
        'ERR_TRUEFORK_NOT_OWNED',
        'attempt to release recursive lock not owned by thread',
      );
    }
    if (--this.count === 0) this.passOn();
  }
}

const lockOperations = {
  acquire: (
    lock: ManagedLock | ManagedRLock,
    [timeout = Infinity, forTask = false]: [number?, boolean?],
    call: ClientCall,
  ) => lock.acquire(call, timeout, forTask),
  release: (lock: ManagedLock | ManagedRLock, _args: [], call: ClientCall) => lock.release(call),
  locked: (lock: ManagedLock | ManagedRLock) => lock.isHeld,
};

setBehaviour(ManagedLock, behaviourOf('Lock', lockOperations));
setBehaviour(ManagedRLock, behaviourOf('RLock', lockOperations));
