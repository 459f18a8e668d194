// Many children, not too many at a time. All have to end well.
import assert from 'node:assert/strict';
import { Process } from 'truefork';
import { fork, waitpid, WNOHANG } from 'truefork/posix';
import { sleep } from '../support/observe.js';

/** How many live at the same time. */
const MAX_ALIVE = 6;

/** Children by Process. */
export class Crowd {
  readonly #alive = new Set<Promise<void>>();
  readonly #failed: string[] = [];

  get isFull(): boolean {
    return this.#alive.size >= MAX_ALIVE;
  }

  start(target: () => unknown): void {
    const child = new Process({ target });
    child.start();
    const end = this.#awaitEnd(child).finally(() => this.#alive.delete(end));
    this.#alive.add(end);
  }

  async roomForOne(): Promise<void> {
    if (this.isFull) await Promise.race(this.#alive);
  }

  async allEnded(): Promise<void> {
    await Promise.all(this.#alive);
    assert.deepEqual(this.#failed, []);
  }

  async #awaitEnd(child: Process): Promise<void> {
    if ((await child.join()) !== 0) this.#failed.push(String(child));
  }
}

/** Children by posix.fork(). */
export class ForkedCrowd {
  readonly #alive = new Set<number>();

  /** Runs `work` in a child, which exits when it is through. There it never resolves. */
  async fork(work: () => unknown): Promise<void> {
    const pid = fork();
    if (pid === 0) {
      await live(work);
      return;
    }
    this.#alive.add(pid);
    while (this.#alive.size >= MAX_ALIVE) await this.#reapSome();
  }

  async allEnded(): Promise<void> {
    while (this.#alive.size > 0) await this.#reapSome();
  }

  async #reapSome(): Promise<void> {
    for (const pid of this.#alive) {
      const status = waitpid(pid, WNOHANG);
      if (status === null) continue;
      this.#alive.delete(pid);
      assert.equal(status.exitcode, 0, JSON.stringify(status));
    }
    await sleep(1);
  }
}

async function live(work: () => unknown): Promise<never> {
  try {
    await work();
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
  process.exit(0);
}
