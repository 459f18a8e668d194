// Programs and their test runners replace what Node gives them: exits that throw, clocks that stand
// still. Nothing of this package goes through it.
import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { Event, inChild, Lock, Manager, Pool, Queue } from 'truefork';
import type { Scenarios } from '../../support/scenarios.js';
import { started, succeeds } from './support.js';

function refuse(): never {
  throw new Error('replaced');
}

/** As vitest has it. */
function replaceExits(): void {
  Object.assign(process, { exit: refuse, reallyExit: refuse, abort: refuse, kill: refuse });
}

/** As sinon and jest have it, and node:test. */
function stopClocks(): void {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] });
  performance.now = () => 0;
  globalThis.queueMicrotask = () => {};
  process.nextTick = () => {};
  process.emitWarning = refuse;
}

async function exitcodeOf(target: () => unknown): Promise<number | null | undefined> {
  return started(target).join();
}

export const scenarios: Scenarios = {
  async 'exits that throw'() {
    replaceExits();
    await succeeds(() => {});
    await succeeds(async () => {});
    await succeeds(() => succeeds(() => {}));
    assert.equal(await exitcodeOf(() => (process.exitCode = 5)), 5);
    assert.equal(await exitcodeOf(() => process.on('exit', () => (process.exitCode = 7))), 7);
    assert.equal(await inChild(() => 42), 42);
    const pool = new Pool(2);
    assert.deepEqual(await pool.map((x: number) => x + 1, [1, 2]), [2, 3]);
    pool.close();
    await pool.join();
    const manager = Manager();
    const dict = manager.dict({ x: 1 });
    assert.equal(dict['x'], 1);
    await manager.shutdown();
  },

  'exits that throw, and failures': {
    async run() {
      replaceExits();
      assert.equal(await exitcodeOf(() => Promise.reject(new Error('rejected'))), 1);
      assert.equal(await exitcodeOf(() => new Promise(() => {})), 13);
      assert.equal(await exitcodeOf(() => process.on('exit', refuse)), 1);
      await assert.rejects(inChild(refuse), /replaced/);
    },
    stderr: /rejected[^]*exit code 13[^]*replaced/,
  },

  'stderr that keeps what is written to it': {
    async run() {
      process.stderr.write = () => true;
      assert.equal(await exitcodeOf(() => Promise.reject(new Error('rejected'))), 1);
    },
    stderr: /Process Process-1:\nError: rejected/,
  },

  async "'exit' listeners are called once, and see the code"() {
    const child = started(() => {
      let calls = 0;
      process.on('exit', (code) => {
        assert.equal(++calls, 1);
        process.exit(code + 3);
      });
      process.exitCode = 4;
    });
    assert.equal(await child.join(), 7);
  },

  'clocks that stand still': {
    async run() {
      const alive = setInterval(() => {}, 1000);
      stopClocks();
      await succeeds(() => {});
      assert.equal(await inChild(async () => 42), 42);
      const lock = new Lock();
      lock.acquireSync();
      assert.equal(await lock.acquire({ timeout: 10 }), false);
      assert.equal(await new Event().wait({ timeout: 10 }), false);
      const queue = new Queue<number>();
      await assert.rejects(queue.get({ timeout: 10 }), { code: 'ERR_TRUEFORK_EMPTY' });
      await queue.put(1);
      assert.equal(await queue.get(), 1);
      const pool = new Pool(1);
      const late = pool.apply(() => new Event().wait(), [], { timeout: 10 });
      await assert.rejects(late, { code: 'ERR_TRUEFORK_TIMEOUT' });
      assert.equal(await pool.apply(() => 42), 42);
      pool.close();
      await pool.join();
      alive.unref();
    },
    stderr: /^(.*MockTimers.*\n.*\n)?$/,
  },
};
