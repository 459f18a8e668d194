// The parent, as its child sees it.
import {
  Deadline,
  throwIfAborted,
  waitFor,
  waitOptions,
  type WaitOptions,
} from '../common/waiting.js';
import { getppid } from '../posix/attributes.js';
import { close } from '../posix/descriptors.js';
import { pidfdOpen } from '../posix/wait.js';
import { Sentinel } from './sentinel.js';

/** How often to look for the parent where there are no pidfds, in milliseconds. */
const POLL_INTERVAL_MS = 20;

/** The parent, as `parentProcess()` returns it. */
export class ParentProcess {
  readonly name: string;
  readonly pid: number;

  /** @internal */
  constructor(name: string, pid: number) {
    this.name = name;
    this.pid = pid;
  }

  /** Whether the parent has not ended. */
  isAlive(): boolean {
    // The children of a process that ends get another parent.
    return getppid() === this.pid;
  }

  /**
   * Waits until the parent has ended.
   *
   * @returns false after the timeout
   * @throws AbortError
   */
  async join(options: number | WaitOptions = {}): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    const deadline = new Deadline(timeout);
    throwIfAborted(signal);
    const sentinel = this.#watch();
    try {
      while (this.isAlive()) {
        if (deadline.isOver) return false;
        await waitFor(
          (wake) => sentinel?.subscribe(wake) ?? (() => {}),
          sentinel ? deadline.left : Math.min(POLL_INTERVAL_MS, deadline.left),
          signal,
        );
      }
      return true;
    } finally {
      if (sentinel !== undefined) {
        sentinel.stop();
        close(sentinel.fd);
      }
    }
  }

  #watch(): Sentinel | undefined {
    try {
      return new Sentinel(pidfdOpen(this.pid));
    } catch {
      return undefined; // it has ended, or the kernel knows no pidfds
    }
  }
}
