// Values that this process has put into a queue without a limit, and for which there is no room
// yet: native/queue/backlog.h. A waiter thread puts them, whatever the main thread does meanwhile.
import { process } from '../common/originals.js';
import { thisProcess } from '../common/per-process.js';
import { throwIfAborted, waitFor } from '../common/waiting.js';
import { Wakers } from '../common/wakers.js';
import { say } from '../fork/say.js';
import { type PendingWait, send } from '../futex/waiter-threads.js';
import { discard } from '../serialize/serialize.js';
import { addExitHook, type ExitHook, removeExitHook } from './exit-hooks.js';
import type { SharedRing } from './ring.js';

/** How long the end of the process waits before it says so, in milliseconds. */
const SILENT_WAIT_MS = 2000;

export class Backlog implements ExitHook {
  readonly #ring: SharedRing;
  #errands = new Set<PendingWait>();
  #ended = new Wakers();
  #isAwaitedAtExit = true;
  /** The process whose it is: a forked child has none yet. */
  #owner = thisProcess;

  constructor(ring: SharedRing) {
    this.#ring = ring;
  }

  /** How many records it has. */
  get length(): number {
    this.#forgetParent();
    return this.#ring.native.countBacklog();
  }

  /** Before somebody counts: a waiter thread may have put something and not said so yet. */
  settle(): void {
    if (this.length > 0) this.#ring.native.settleBacklog();
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
      if (!this.#ring.native.addToBacklog(item.kind, item.body)) this.#feed();
    } catch (error) {
      discard(item);
      throw error;
    }
  }

  /** @returns false after the timeout. @throws AbortError */
  async end(timeout: number, signal: AbortSignal | undefined): Promise<boolean> {
    throwIfAborted(signal);
    if (this.length === 0) return true;
    return waitFor(this.#ended, timeout, signal);
  }

  /** As {@link end}, and blocks the thread. */
  endSync(timeout: number): boolean {
    this.#forgetParent();
    return this.#ring.native.awaitBacklog(timeout);
  }

  /** Lets the process end while there is something. */
  letGo(): void {
    this.#forgetParent();
    this.#isAwaitedAtExit = false;
    for (const pending of this.#errands) pending.setRef(false);
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

  #feed(): void {
    let pending: PendingWait;
    try {
      pending = send(
        (thread) => thread.feed(this.#ring.native),
        () => this.#end(pending),
      );
    } catch (error) {
      this.#ring.native.withdraw();
      throw error;
    }
    this.#errands.add(pending);
    if (this.#isAwaitedAtExit) addExitHook(this);
    else pending.setRef(false);
  }

  #end(pending: PendingWait): void {
    this.#errands.delete(pending);
    // It may have been sent again before it told.
    if (this.#errands.size > 0) return;
    removeExitHook(this);
    this.#ended.wakeAll();
  }

  #forgetParent(): void {
    if (this.#owner === thisProcess) return;
    this.#owner = thisProcess;
    this.#errands = new Set();
    this.#ended = new Wakers();
    this.#isAwaitedAtExit = true;
    this.#ring.native.forgetBacklog();
  }
}
