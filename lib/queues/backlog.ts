// Values that this process has put into a queue without a limit, and for which there is no room
// yet: native/queue/backlog.h. A waiter thread puts them, whatever the main thread does meanwhile.
import { process } from '../common/originals.js';
import { PerProcess } from '../common/per-process.js';
import { throwIfAborted, waitFor } from '../common/waiting.js';
import { Wakers } from '../common/wakers.js';
import { say } from '../fork/say.js';
import { type PendingWait, send } from '../futex/waiter-threads.js';
import type { Ring } from '../native/queue.js';
import { discard } from '../serialize/serialize.js';
import { addExitHook, type ExitHook, removeExitHook } from './exit-hooks.js';
import type { SharedRing } from './ring.js';

/** How long the end of the process waits before it says so, in milliseconds. */
const SILENT_WAIT_MS = 2000;

/** The backlog of one process. */
interface Feeding {
  readonly ring: Ring;
  readonly pending: Set<PendingWait>;
  readonly ended: Wakers;
  isAwaitedAtExit: boolean;
}

export class Backlog implements ExitHook {
  readonly #ring: SharedRing;
  readonly #own = new PerProcess<Feeding>((parents) => this.#begin(parents));

  constructor(ring: SharedRing) {
    this.#ring = ring;
  }

  /** The ring, with the backlog of this process. */
  get #native(): Ring {
    return this.#own.value.ring;
  }

  /** How many records it has. */
  get length(): number {
    return this.#native.countBacklog();
  }

  /** Before somebody counts: a waiter thread may have put something and not said so yet. */
  settle(): void {
    if (this.length > 0) this.#native.settleBacklog();
  }

  /**
   * @param timeoutMs how long others who are putting may take before the value waits here: {@link
   *   AT_ONCE}, or 0 for a thread that has nothing else to do
   * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE`. @throws SystemError `EAGAIN`: no threads
   */
  put(value: unknown, timeoutMs: number): void {
    const item = this.#ring.putUnless(this.length > 0, value, timeoutMs);
    if (item === undefined) return;
    try {
      if (!this.#native.addToBacklog(item.kind, item.body)) this.#feed();
    } catch (error) {
      discard(item);
      throw error;
    }
  }

  /** @returns false after the timeout. @throws AbortError */
  async end(timeout: number, signal: AbortSignal | undefined): Promise<boolean> {
    throwIfAborted(signal);
    if (this.length === 0) return true;
    return waitFor(this.#own.value.ended, timeout, signal);
  }

  /** As {@link end}, and blocks the thread. */
  endSync(timeout: number): boolean {
    return this.#native.awaitBacklog(timeout);
  }

  /** Lets the process end while there is something. */
  letGo(): void {
    const feeding = this.#own.value;
    feeding.isAwaitedAtExit = false;
    for (const pending of feeding.pending) pending.setRef(false);
    removeExitHook(this);
  }

  leave(): void {
    if (this.endSync(0)) return;
    // From here on a signal would not be handled: let it do what it does by itself.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal);
    if (this.endSync(SILENT_WAIT_MS)) return;
    say(
      `${process.title}: waiting for a queue to have room for ${this.length} items before exiting\n`,
    );
    this.endSync(Infinity);
  }

  /** The parent's backlog is the parent's to put. */
  #begin(parents: Feeding | undefined): Feeding {
    const { native } = this.#ring;
    if (parents !== undefined) native.forgetBacklog();
    return { ring: native, pending: new Set(), ended: new Wakers(), isAwaitedAtExit: true };
  }

  #feed(): void {
    const feeding = this.#own.value;
    let pending: PendingWait;
    try {
      pending = send(
        (thread) => thread.feed(this.#native),
        () => this.#end(feeding, pending),
      );
    } catch (error) {
      this.#native.withdraw();
      throw error;
    }
    feeding.pending.add(pending);
    if (feeding.isAwaitedAtExit) addExitHook(this);
    else pending.setRef(false);
  }

  #end(feeding: Feeding, pending: PendingWait): void {
    feeding.pending.delete(pending);
    // Another may have been sent before the end of this one was known.
    if (feeding.pending.size > 0) return;
    removeExitHook(this);
    feeding.ended.wakeAll();
  }
}
