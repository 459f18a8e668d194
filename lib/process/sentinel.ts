// A descriptor that becomes readable when a process has ended, and those who wait
// for that.
import { queueMicrotask } from '../common/originals.js';
import { Wakers } from '../common/wakers.js';
import { makePoller, READABLE, startPoller, waitUntilReady } from '../posix/poller.js';
import type { Poller } from '../posix/poller.js';

export class Sentinel {
  readonly fd: number;
  readonly #poller: Poller;
  readonly #waiters = new Wakers(() => this.#watch());
  readonly #onlookers = new Wakers(() => this.#watch());
  #keepsAlive = false;
  #hasEnded = false;

  constructor(fd: number) {
    this.fd = fd;
    this.#poller = makePoller(fd, () => this.#end());
  }

  /** Makes the event loop stay alive until the process has ended, whether or not anybody waits. */
  keepLoopAlive(): void {
    this.#keepsAlive = true;
    this.#watch();
  }

  /**
   * Calls `wake` when the process has ended; until then the event loop stays alive. Returns a
   * function that takes that back.
   */
  subscribe(wake: () => void): () => void {
    if (this.#hasEnded) queueMicrotask(() => this.#end());
    return this.#waiters.subscribe(wake);
  }

  /** Calls `wake` when the process has ended, if the event loop is alive by then. */
  watch(wake: () => void): void {
    this.#onlookers.subscribe(wake);
  }

  /** Blocks the thread. Returns whether the process has ended, false after the timeout (ms). */
  wait(timeout: number): boolean {
    return this.#hasEnded || waitUntilReady(this.fd, READABLE, timeout);
  }

  /** The end of the process is known: tells all who wait. The descriptor stays open. */
  stop(): void {
    this.#end();
    this.#poller.close();
  }

  /** In a forked child: those who wait are the parent's. */
  abandon(): void {
    this.#waiters.forget();
    this.#onlookers.forget();
    this.#poller.close();
  }

  #watch(): void {
    if (this.#hasEnded) return;
    const isAwaited = this.#keepsAlive || this.#waiters.size > 0;
    this.#poller.setRef(isAwaited);
    if (isAwaited || this.#onlookers.size > 0) startPoller(this.#poller, READABLE);
    else this.#poller.stop();
  }

  #end(): void {
    this.#hasEnded = true;
    this.#poller.stop();
    this.#waiters.wakeAll();
    this.#onlookers.wakeAll();
  }
}
