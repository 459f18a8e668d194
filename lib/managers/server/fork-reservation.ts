// A child that was forked from a client, and has not said anything yet: until then its share is
// reserved.
import type { SystemError } from '../../common/errors.js';
import { OwnDescriptor } from '../../fork/own-descriptor.js';
import { READABLE } from '../../posix/poller.js';
import { pidfdOpen } from '../../posix/wait.js';
import { Session } from './session.js';

class ForkReservation {
  readonly session: Session;
  readonly parent: Session;
  #pidfd: OwnDescriptor | undefined;
  readonly #onEnd: () => void;

  constructor(session: Session, parent: Session, onEnd: () => void) {
    this.session = session;
    this.parent = parent;
    this.#onEnd = onEnd;
    parent.holdings.add(this);
  }

  /** From now on it is known when the child ends. */
  watch(pid: number): void {
    try {
      this.#pidfd ??= new OwnDescriptor(pidfdOpen(pid));
      this.#pidfd.watch(READABLE, this.#onEnd);
    } catch (error) {
      if ((error as SystemError).code === 'ESRCH') this.#onEnd();
      // Else nobody can know before its parent ends.
    }
  }

  /** Its parent has ended. */
  onHolderGone(): void {
    if (this.#pidfd === undefined) this.#onEnd();
  }

  forget(): void {
    this.parent.holdings.delete(this);
    this.#pidfd?.close();
  }
}

export class ForkReservations {
  readonly #all = new Map<string, ForkReservation>();

  /** A fork of `parent` will be known by that name, and has what `parent` has now. */
  add(name: string, parent: Session): void {
    if (this.#all.has(name)) return;
    const session = new Session(name);
    session.share(parent);
    const reservation = new ForkReservation(session, parent, () => this.#end(name));
    this.#all.set(name, reservation);
  }

  /** The child is there. @returns its share, if there is one */
  claim(name: string): Session | undefined {
    const reservation = this.#all.get(name);
    this.#all.delete(name);
    reservation?.forget();
    return reservation?.session;
  }

  /** @param pid of the child; undefined: there is none */
  note(name: string, pid: number | undefined): void {
    if (pid === undefined) this.#end(name);
    else this.#all.get(name)?.watch(pid);
  }

  #end(name: string): void {
    this.claim(name)?.end();
  }
}
