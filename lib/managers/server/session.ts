// The clients of a server, as far as it remembers anything of them.
import { NO_TASKS, type Tasks } from '../protocol/tasks.js';

/** Something that a client can hold, and that must not be lost with it. */
export interface Holding {
  /** The client is gone. */
  onHolderGone(session: Session): void;
}

/** Something that is a session's own as long as it has been granted more often than given up. */
export interface Grantable {
  /** @param count may be negative */
  grant(session: Session, count: number): void;
  /** The session has ended. */
  forget(session: Session): void;
}

/**
 * One client process. It ends with the last of its connections, and all that it has is given up.
 */
export class Session {
  readonly name: string;
  pid: number | undefined;
  readonly holdings: Set<Holding> = new Set();
  /**
   * How often each object was granted to it. Less than 0 where it has given up what it is yet to be
   * granted: a child may be here before the news that it was forked.
   */
  readonly grants: Map<Grantable, number> = new Map();
  readonly connections: Set<object> = new Set();
  #isOver = false;

  constructor(name: string) {
    this.name = name;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Has what `other` has. */
  share(other: Session): void {
    for (const [object, count] of other.grants) object.grant(this, count);
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const holding of this.holdings) holding.onHolderGone(this);
    this.holdings.clear();
    for (const object of this.grants.keys()) object.forget(this);
    this.grants.clear();
  }
}

/** One call that a client makes. */
export class ClientCall {
  readonly session: Session;
  /** The tasks of that process that it is made in. */
  readonly tasks: Tasks;
  #controller: AbortController | undefined;
  #isAborted = false;

  constructor(session: Session, tasks: Tasks = NO_TASKS) {
    this.session = session;
    this.tasks = tasks;
  }

  /** Aborted when nobody waits for the result any more. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /** For what has to be done to its end. */
  withoutAbort(): ClientCall {
    return new ClientCall(this.session, this.tasks);
  }

  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort();
  }
}
