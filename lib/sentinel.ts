// A descriptor that becomes readable when a process has ended, and those who wait
// for that.
import { makePoller, READABLE, startPoller, waitUntilReady } from './posix/poller.js';
import type { Poller } from './posix/poller.js';

export class Sentinel {
  readonly fd: number;
  readonly #poller: Poller;
  readonly #waiters = new Set<() => void>();
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

  /** Calls `wake` when the process has ended. Returns a function that takes that back. */
  subscribe(wake: () => void): () => void {
    this.#waiters.add(wake);
    if (this.#hasEnded) queueMicrotask(() => this.#end());
    else this.#watch();
    return () => {
      this.#waiters.delete(wake);
      if (this.#waiters.size === 0 && !this.#keepsAlive) this.#poller.stop();
    };
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
    this.#waiters.clear();
    this.#poller.close();
  }

  #watch(): void {
    if (!this.#hasEnded) startPoller(this.#poller, READABLE);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#poller.stop();
    for (const wake of this.#waiters) wake();
  }
}
