// A pool keeps nothing of what it was used with, be it closed or not: neither `this` of those who
// called it, nor functions, items, results, errors and the asynchronous context.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Pool } from 'truefork';
import { sleep } from '../support/observe.js';
import type { Scenario, Scenarios } from '../support/scenarios.js';
import { caught, hang, range, square } from './support.js';

// With --expose-gc.
declare const gc: () => void;

const storage = new AsyncLocalStorage<object>();

/** Calls the pool from its methods, so that it is `this` in their frames. */
class User {
  readonly pool: Pool;
  readonly item = { number: 3 };
  readonly work = ({ number }: { number: number }): number => number + range(3).length;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  async apply(): Promise<unknown> {
    return this.pool.apply(this.work, [this.item]);
  }

  async applyOften(): Promise<unknown> {
    return Promise.all(range(500).map((x) => this.pool.apply(square, [x])));
  }

  async applySync(): Promise<unknown> {
    return this.pool.applySync(this.work, [this.item]);
  }

  async fail(): Promise<unknown> {
    const fail = (): never => {
      throw new Error(String(this.item.number));
    };
    return caught(this.pool.apply(fail));
  }

  async expire(): Promise<unknown> {
    return caught(this.pool.apply(hang, [], { timeout: 20 }));
  }

  async abort(): Promise<unknown> {
    const result = this.pool.apply(hang, [], { signal: AbortSignal.timeout(20) });
    return caught(result);
  }

  async lose(): Promise<unknown> {
    return caught(this.pool.apply(() => process.kill(process.pid, 'SIGKILL')));
  }

  async map(): Promise<unknown> {
    return this.pool.map(this.work, [this.item, this.item]);
  }

  async mapFailing(): Promise<unknown> {
    const fail = (): never => assert.fail();
    return caught(this.pool.map(fail, [this.item, 2, 3], { failFast: true, chunksize: 1 }));
  }

  async imap(): Promise<unknown> {
    const results: unknown[] = [];
    for await (const result of this.pool.imap(this.work, [this.item, this.item])) {
      results.push(result);
    }
    return results;
  }

  async imapAbandoned(): Promise<unknown> {
    const iterator = this.pool.imap(this.work, Array<object>(99).fill(this.item) as never[]);
    await iterator.next();
    return iterator.return();
  }

  async withCallback(): Promise<unknown> {
    return this.pool.applyAsync(this.work, [this.item], { callback: () => this.item });
  }

  async withTimeout(): Promise<unknown> {
    return this.pool.apply(this.work, [this.item], { timeout: 600_000 });
  }
}

const USES = Object.getOwnPropertyNames(User.prototype).filter(
  (name) => name !== 'constructor',
) as (keyof User)[];

/** Objects that the pool could keep: objects, by what they are. */
type Traces = Record<string, WeakRef<object>>;

async function use(pool: Pool, name: keyof User): Promise<Traces> {
  const user = new User(pool);
  const context = { name };
  await storage.run(context, () => (user[name] as () => Promise<unknown>).call(user));
  return {
    user: new WeakRef(user),
    item: new WeakRef(user.item),
    work: new WeakRef(user.work),
    context: new WeakRef(context),
  };
}

async function assertCollected(traces: Traces, what: string): Promise<void> {
  let kept: string[] = [];
  for (let i = 0; i < 100; i++) {
    await sleep(5);
    gc();
    kept = Object.keys(traces).filter((name) => traces[name]!.deref() !== undefined);
    if (kept.length === 0) return;
  }
  assert.fail(`after ${what}: ${kept.join(', ')}`);
}

/** @param end what is done with the pool before nothing may be left */
function leavesNothingAfter(end: (pool: Pool) => unknown): Scenario {
  return {
    async run() {
      for (const name of USES) {
        const pool = new Pool(2);
        await pool.apply(square, [1]);
        const traces = await use(pool, name);
        await end(pool);
        await assertCollected(traces, name);
        pool.terminate();
        await pool.join();
      }
    },
    options: { nodeArgs: ['--expose-gc'] },
  };
}

export const scenarios: Scenarios = {
  'a pool that goes on': leavesNothingAfter(() => {}),
  'a pool that is closed': leavesNothingAfter(async (pool) => {
    pool.close();
    await pool.join();
  }),
  'a pool that is terminated': leavesNothingAfter((pool) => pool.terminate()),

  'an iterator that is at its end': {
    async run() {
      const pool = new Pool(1);
      let trace: WeakRef<object> | undefined;
      const begin = (): ReturnType<typeof pool.imap> => {
        const caller = { imap: () => pool.imap(square, range(2)) };
        trace = new WeakRef(caller);
        return caller.imap();
      };
      const iterator = begin();
      while ((await iterator.next()).done !== true);
      await assertCollected({ caller: trace! }, 'imap');
      pool.terminate();
      await pool.join();
      assert.equal((await iterator.next()).done, true);
    },
    options: { nodeArgs: ['--expose-gc'] },
  },
};
