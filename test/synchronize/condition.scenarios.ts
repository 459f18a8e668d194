import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { Condition, Lock, type Process, RLock } from 'truefork';
import { fork, waitpid } from 'truefork/posix';
import { sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { kill, misuse, sharedNumbers, started, succeeds, untilIs } from './support.js';

const NOT_OWNED = misuse('NOT_OWNED', 'lock is not owned');
const NOT_ACQUIRED = misuse('NOT_OWNED', 'must acquire() condition before using wait()');

/** How many wait, as it says itself. */
function waiting(condition: Condition): number {
  return Number(/, (\d+)\)>$/.exec(String(condition))![1]);
}

function untilWaiting(condition: Condition, count: number): Promise<void> {
  return until(() => waiting(condition) === count);
}

/** Children that sleep at a condition. Each counts in shared memory that it has woken. */
class Sleepers {
  readonly condition: Condition;
  readonly woken = sharedNumbers(1);
  readonly children: Process[] = [];

  constructor(condition = new Condition()) {
    this.condition = condition;
  }

  readonly block = (): void => {
    this.condition.withSync(() => assert.equal(this.condition.waitSync(), true));
    Atomics.add(this.woken, 0, 1);
  };

  readonly wait = async (): Promise<void> => {
    await this.condition.with(async () => assert.equal(await this.condition.wait(), true));
    Atomics.add(this.woken, 0, 1);
  };

  async start(target: () => unknown, count = 1): Promise<void> {
    const before = waiting(this.condition);
    this.children.push(started(target));
    await untilWaiting(this.condition, before + count);
  }

  async ended(): Promise<void> {
    for (const child of this.children) assert.equal(await child.join(), 0);
    assert.equal(waiting(this.condition), 0);
  }

  async wokenAre(count: number): Promise<void> {
    await untilIs(this.woken, 0, count);
    await sleep(5);
    assert.equal(this.woken[0], count);
  }
}

export const scenarios: Scenarios = {
  async 'notify wakes one, in processes and in tasks'() {
    for (const lock of [new RLock(), new Lock()]) {
      const sleepers = new Sleepers(new Condition(lock));
      const { condition } = sleepers;
      await sleepers.start(sleepers.block);
      await sleepers.start(sleepers.wait);
      await sleepers.start(() => Promise.all([sleepers.wait(), sleepers.wait()]), 2);
      const own = sleepers.wait();
      await untilWaiting(condition, 5);
      for (let count = 1; count <= 5; count++) {
        await condition.with(() => condition.notify());
        await sleepers.wokenAre(count);
      }
      await own;
      await sleepers.ended();
    }
  },

  async 'notifyAll wakes all'() {
    const sleepers = new Sleepers();
    const { condition } = sleepers;
    for (let i = 0; i < 3; i++) {
      await sleepers.start(sleepers.block);
      await sleepers.start(sleepers.wait);
    }
    const own = [sleepers.wait(), sleepers.wait()];
    await untilWaiting(condition, 8);
    condition.withSync(() => condition.notifyAll());
    await Promise.all(own);
    await sleepers.ended();
    assert.equal(sleepers.woken[0], 8);
  },

  async 'notify(n): no more, and what is too much does no harm'() {
    const sleepers = new Sleepers();
    const { condition } = sleepers;
    for (let i = 0; i < 3; i++) {
      await sleepers.start(sleepers.block);
      await sleepers.start(() => Promise.all([sleepers.wait(), sleepers.wait()]), 2);
    }
    const notify = (n: number): void => condition.withSync(() => condition.notify(n));
    notify(0);
    await sleepers.wokenAre(0);
    notify(2);
    await sleepers.wokenAre(2);
    notify(4);
    await sleepers.wokenAre(6);
    notify(8);
    await sleepers.ended();
    notify(3);
    assert.equal(
      condition.withSync(() => condition.waitSync(5)),
      false,
    );
    assert.equal(await condition.with(() => condition.wait(5)), false);
  },

  async 'timeouts of all kinds, and true when notified'() {
    const condition = new Condition();
    await condition.with(async () => {
      for (const timeout of [0, -1, 5]) {
        assert.equal(condition.waitSync(timeout), false);
        assert.equal(await condition.wait({ timeout }), false);
      }
      const child = started(() => condition.withSync(() => condition.notify()));
      assert.equal(await condition.wait(20_000), true);
      assert.equal(await child.join(), 0);
      const other = started(() => condition.withSync(() => condition.notify()));
      assert.equal(condition.waitSync(2 ** 40), true);
      assert.equal(await other.join(), 0);
    });
    assert.equal(waiting(condition), 0);
  },

  async 'waitFor: until it is true, also after the timeout'() {
    const condition = new Condition();
    const state = sharedNumbers(1);
    const step = async (): Promise<void> => {
      for (let i = 0; i < 4; i++) {
        await sleep(2);
        condition.withSync(() => {
          state[0]!++;
          condition.notify();
        });
      }
    };
    const child = started(step);
    condition.withSync(() => {
      assert.equal(
        condition.waitForSync(() => state[0] === 4),
        true,
      );
    });
    assert.equal(await child.join(), 0);
    const other = started(step);
    await condition.with(async () => {
      assert.equal(await condition.waitFor(() => state[0]! >= 8 && 'value', 20_000), 'value');
    });
    assert.equal(await other.join(), 0);
    condition.withSync(() => {
      assert.equal(
        condition.waitForSync(() => false, 20),
        false,
      );
      assert.equal(
        condition.waitForSync(() => 0, { timeout: 0 }),
        0,
      );
    });
    await condition.with(async () => {
      assert.equal(await condition.waitFor(() => null, 20), null);
    });
    let looks = 0;
    await condition.with(() => condition.waitFor(() => ++looks === 2, 5));
    assert.equal(looks, 2);
  },

  async 'an abort has the lock again, and costs no notification'() {
    const condition = new Condition();
    const sleepers = new Sleepers(condition);
    await condition.with(async () => {
      const signal = AbortSignal.abort();
      await assert.rejects(condition.wait({ signal }), { name: 'AbortError' });
      condition.notify();
    });
    for (let round = 0; round < 20; round++) {
      const controller = new AbortController();
      const { signal } = controller;
      const aborted = condition
        .with(() => condition.wait({ signal }).finally(() => condition.notify(0)))
        .catch((error: Error) => error.name);
      const other = sleepers.wait();
      await untilWaiting(condition, 2);
      if (round % 2 === 0) controller.abort();
      condition.withSync(() => condition.notify());
      controller.abort();
      const first = await aborted;
      if (first === true) condition.withSync(() => condition.notify());
      else assert.equal(first, 'AbortError');
      await other;
      assert.equal(waiting(condition), 0);
    }
  },

  misuse() {
    for (const lock of [new RLock(), new Lock()]) {
      const condition = new Condition(lock);
      assert.throws(() => condition.notify(), NOT_OWNED);
      assert.throws(() => condition.notifyAll(), NOT_OWNED);
      assert.throws(() => condition.waitSync(), NOT_ACQUIRED);
      assert.throws(() => condition.waitForSync(() => false), NOT_ACQUIRED);
      condition.withSync(() => {
        assert.throws(() => condition.notify(-1), { code: 'ERR_OUT_OF_RANGE' });
        assert.throws(() => condition.notify('1' as never), { code: 'ERR_INVALID_ARG_TYPE' });
      });
      assert.equal(lock.locked(), false);
    }
  },

  async 'misuse of the asynchronous forms'() {
    const condition = new Condition();
    await assert.rejects(condition.wait(), NOT_ACQUIRED);
    await assert.rejects(
      condition.waitFor(() => false),
      NOT_ACQUIRED,
    );
    assert.equal(await condition.waitFor(() => 'no need to wait'), 'no need to wait');
    await condition.with(() => succeeds(() => assert.throws(() => condition.notify(), NOT_OWNED)));
  },

  async 'a wait gives back all levels of an RLock, and has them again'() {
    const lock = new RLock();
    const condition = new Condition(lock);
    const notify = (): void => condition.withSync(() => condition.notify());
    lock.acquireSync();
    await condition.acquire();
    assert.equal(condition.acquireSync(0), true);
    const count = (): string => /count=(\w+)/.exec(String(lock))![1]!;
    const child = started(notify);
    assert.equal(await condition.wait(), true);
    assert.equal(count(), '3');
    const other = started(notify);
    assert.equal(condition.waitSync(), true);
    assert.equal(count(), '3');
    condition.waitSync(0);
    assert.equal(count(), '3');
    for (let i = 0; i < 3; i++) condition.release();
    assert.equal(lock.locked(), false);
    assert.equal(await child.join(), 0);
    assert.equal(await other.join(), 0);
  },

  async 'a blocked wait beside a task that waits for the lock'() {
    for (const lock of [new RLock(), new Lock()]) {
      const condition = new Condition(lock);
      await condition.acquire();
      const task = condition.with(() => 'done');
      // Long enough for a waiter thread to be sent for the task.
      await sleep(50);
      const child = started(() => condition.withSync(() => condition.notify()));
      assert.equal(condition.waitSync(20_000), true);
      condition.release();
      assert.equal(await task, 'done');
      assert.equal(await child.join(), 0);
    }
  },

  async 'a blocked wait beside one that is awaited'() {
    const sleepers = new Sleepers();
    const { condition } = sleepers;
    const own = sleepers.wait();
    await untilWaiting(condition, 1);
    const child = started(async () => {
      await untilWaiting(condition, 2);
      condition.withSync(() => condition.notify(2));
    });
    sleepers.block();
    await own;
    assert.equal(await child.join(), 0);
    assert.equal(sleepers.woken[0], 2);
  },

  async 'SIGINT ends a process that is blocked, and is heard by one that awaits'() {
    const condition = new Condition();
    const blocked = started(() => condition.withSync(() => condition.waitSync()));
    await untilWaiting(condition, 1);
    process.kill(blocked.pid!, 'SIGINT');
    assert.equal(await blocked.join(), -2);
    assert.equal(waiting(condition), 0);
    const controller = new AbortController();
    const child = started(async () => {
      process.once('SIGINT', () => controller.abort());
      const { signal } = controller;
      const wait = condition.with(() => condition.wait({ signal }));
      await assert.rejects(wait, { name: 'AbortError' });
    });
    await untilWaiting(condition, 1);
    process.kill(child.pid!, 'SIGINT');
    assert.equal(await child.join(), 0);
  },

  'says what it is'() {
    const condition = new Condition();
    assert.equal(String(condition), '<Condition(<RLock(owner=None, count=0)>, 0)>');
    const lock = new Lock();
    lock.acquireSync();
    assert.equal(inspect(new Condition(lock)), `<Condition(<Lock(owner=${process.pid})>, 0)>`);
  },

  async 'with and using'() {
    const condition = new Condition(new Lock());
    assert.equal(
      condition.withSync(() => 1),
      1,
    );
    assert.equal(await condition.with(async () => 2), 2);
    condition.acquireSync();
    await assert.rejects(
      condition.with(() => {}, 1),
      { code: 'ERR_TRUEFORK_TIMEOUT' },
    );
    {
      using scope = condition;
      scope.notifyAll();
    }
    assert.throws(() => condition.notify(), NOT_OWNED);
  },

  async 'a waiter that dies costs no notification'() {
    const sleepers = new Sleepers();
    const { condition } = sleepers;
    for (const target of [sleepers.block, sleepers.wait]) {
      const dying = started(target);
      await untilWaiting(condition, 1);
      const patient = started(target);
      await untilWaiting(condition, 2);
      await kill(dying);
      assert.equal(waiting(condition), 1);
      condition.withSync(() => condition.notify());
      assert.equal(await patient.join(), 0);
    }
    assert.equal(sleepers.woken[0], 2);
  },

  async 'a holder that dies leaves the lock to those who were notified'() {
    const lock = new RLock();
    const condition = new Condition(lock);
    const sleepers = new Sleepers(condition);
    await sleepers.start(() => {
      condition.withSync(() => {
        condition.waitSync();
        assert.equal(lock.recovered, true);
      });
    });
    const notifier = started(() => {
      condition.acquireSync();
      condition.notify();
      process.kill(process.pid, 'SIGKILL');
    });
    assert.equal(await notifier.join(), -9);
    await sleepers.ended();
  },

  async 'a child does not wait where its parent does'() {
    const sleepers = new Sleepers();
    const { condition } = sleepers;
    const own = sleepers.wait();
    await untilWaiting(condition, 1);
    await succeeds(() => {
      assert.equal(waiting(condition), 1);
      assert.equal(
        condition.withSync(() => condition.waitSync(2)),
        false,
      );
    });
    await sleepers.start(sleepers.wait);
    await sleepers.start(() => succeeds(sleepers.block));
    condition.withSync(() => condition.notifyAll());
    await own;
    await sleepers.ended();
  },

  async 'a child of posix.fork() whose copy of a wait times out takes nothing'() {
    const condition = new Condition();
    const sleepers = new Sleepers(condition);
    const [parent, pids] = [process.pid, [] as number[]];
    const timed = condition.with(() => condition.wait(300));
    await untilWaiting(condition, 1);
    for (let i = 0; i < 3 && process.pid === parent; i++) pids.push(fork());
    if (process.pid !== parent) {
      // It goes on in here, too, with the lock.
      process.exit((await timed) ? 1 : 7);
    }
    assert.equal(await timed, false);
    for (const pid of pids) assert.equal(waitpid(pid)!.exitcode, 7);
    assert.equal(waiting(condition), 0);
    const own = sleepers.wait();
    await untilWaiting(condition, 1);
    condition.withSync(() => condition.notify());
    await own;
  },

  'a process that ends while its thread waits': {
    async run() {
      const condition = new Condition();
      void condition.with(() => condition.wait());
      await untilWaiting(condition, 1);
      process.exit(3);
    },
    code: 3,
  },
};
