// A descriptor that the event loop watches while somebody waits at it: one process's own, as the
// waits of a parent are not its child's.
import { onForkedChild, thisProcess } from '../common/per-process.js';
import { close } from '../posix/descriptors.js';
import { makePoller, type Poller, READABLE, startPoller, WRITABLE } from '../posix/poller.js';

/** The object that a descriptor belongs to: a channel or a listener. */
export interface Polled {
  /** The events that somebody waits for: {@link READABLE}, {@link WRITABLE}, their sum, or 0. */
  wantedEvents(): number;
  /** Some of them are there. After an error of the descriptor it is called with both. */
  onEvents(events: number): void;
  /**
   * Forgets the waits of a parent. @returns whether this process is a child that had yet to do so
   */
  forgetParent(): boolean;
}

/** Objects at which somebody waits. Nothing else may hold them. */
const awaited = new Set<Polled>();

onForkedChild(() => awaited.clear());

export class PolledDescriptor {
  readonly fd: number;
  #poller: Poller | undefined;
  /**
   * The events that the poller looks for. They may be more than anybody wants: to stop it costs a
   * system call.
   */
  #watched = 0;
  /** The process that the waits belong to. */
  #process = thisProcess;

  /** @param fd this object's from now on */
  constructor(fd: number) {
    this.fd = fd;
  }

  /** Whether the waits are those of a parent of this process. */
  get isOfParent(): boolean {
    return this.#process !== thisProcess;
  }

  /** Watches for what is wanted now. Only a wait keeps the event loop alive. */
  update(owner: Polled): void {
    const wanted = owner.wantedEvents();
    if (wanted === 0) awaited.delete(owner);
    else awaited.add(owner);
    if ((wanted & ~this.#watched) !== 0) {
      this.#watchFor(wanted, (this.#poller ??= this.#makePoller(owner)));
    }
    this.#poller?.setRef(wanted !== 0);
  }

  /** In a forked child: nobody waits yet. */
  forgetParent(): void {
    this.#process = thisProcess;
    this.#poller?.stop();
    this.#watched = 0;
  }

  close(): void {
    this.#poller?.close();
    close(this.fd);
  }

  #watchFor(events: number, poller: Poller): void {
    this.#watched = events;
    if (events === 0) poller.stop();
    else startPoller(poller, events);
  }

  /**
   * Holds the owner weakly: one that nobody has any more is collected, and its descriptor closed.
   */
  #makePoller(owner: Polled): Poller {
    const weak = new WeakRef(owner);
    const poller = makePoller(this.fd, (ready) => {
      const found = weak.deref();
      if (found === undefined) poller.stop();
      else if (!found.forgetParent()) this.#pass(found, ready, poller);
    });
    return poller;
  }

  #pass(owner: Polled, ready: number, poller: Poller): void {
    const isError = ready < 0; // reading or writing will say which
    if (isError) {
      this.#watched = 0;
      owner.onEvents(READABLE | WRITABLE);
      return;
    }
    const wanted = owner.wantedEvents();
    if ((ready & ~wanted) !== 0) this.#watchFor(wanted, poller);
    owner.onEvents(ready);
  }
}
