import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { RLock, TimeoutError } from 'truefork';
import { _exit, fork, waitpid } from 'truefork/posix';
import { sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import {
  ENDED_BY_ITSELF,
  exitcodeAfterFork,
  hang,
  isSettled,
  kill,
  misuse,
  sharedNumbers,
  started,
  startedWaiting,
  succeeds,
  untilIs,
} from './support.js';

const NOT_OWNED = misuse('NOT_OWNED', 'attempt to release recursive lock not owned by thread');

export const scenarios: Scenarios = {
  async 'acquired again and again, and released as often'() {
    const lock = new RLock();
    assert.equal(lock.locked(), false);
    assert.equal(await lock.acquire(), true);
    assert.equal(lock.acquireSync(), true);
    assert.equal(lock.acquireSync(0), true);
    assert.equal(await lock.acquire({ timeout: 0 }), true);
    for (let held = 4; held > 0; held--) {
      assert.equal(lock.locked(), true);
      lock.release();
    }
    assert.equal(lock.locked(), false);
    assert.throws(() => lock.release(), NOT_OWNED);
    assert.equal(lock.acquireSync(0), true);
    lock.release();
  },

  async 'other processes wait for the last release'() {
    const lock = new RLock();
    for (let i = 0; i < 3; i++) lock.acquireSync();
    const children = [
      await startedWaiting(() => assert.equal(lock.acquireSync(), true)),
      await startedWaiting(async () => assert.equal(await lock.acquire(15_000), true)),
    ];
    for (let i = 0; i < 2; i++) {
      lock.release();
      await succeeds(() => assert.equal(lock.acquireSync(2), false));
    }
    lock.release();
    for (const child of children) assert.equal(await child.join(), 0);
  },

  async 'only its owner may release it'() {
    const lock = new RLock();
    lock.acquireSync();
    await succeeds(() => assert.throws(() => lock.release(), NOT_OWNED));
    assert.equal(lock.locked(), true);
    lock.release();
  },

  async 'timeouts and aborts'() {
    const lock = new RLock();
    const child = started(() => {
      lock.acquireSync();
      return hang();
    });
    while (!lock.locked()) await sleep(1);
    for (const timeout of [0, -1, 10]) {
      assert.equal(lock.acquireSync(timeout), false);
      assert.equal(await lock.acquire({ timeout }), false);
    }
    const controller = new AbortController();
    const waiting = lock.acquire({ signal: controller.signal });
    await assert.rejects(lock.acquire({ signal: AbortSignal.abort() }), { name: 'AbortError' });
    controller.abort();
    await assert.rejects(waiting, { name: 'AbortError' });
    assert.throws(() => lock.withSync(() => {}, 1), TimeoutError);
    await assert.rejects(
      lock.with(() => {}, 1),
      TimeoutError,
    );
    await kill(child);
    assert.equal(lock.acquireSync(10_000), true);
    assert.equal(lock.recovered, true);
    lock.release();
  },

  async 'with: calls in calls'() {
    const lock = new RLock();
    const result = await lock.with(async () => {
      await sleep(1);
      return lock.with(() => lock.withSync(() => String(lock)));
    });
    assert.equal(result, `<RLock(owner=${process.pid}, count=3)>`);
    assert.equal(lock.locked(), false);
    const failure = new Error('inside');
    await assert.rejects(
      lock.with(() => Promise.reject(failure)),
      failure,
    );
    assert.throws(
      () =>
        lock.withSync(() => {
          throw failure;
        }),
      failure,
    );
    assert.equal(lock.locked(), false);
    lock.acquireSync();
    {
      using scope = lock;
      assert.equal(scope.locked(), true);
    }
    assert.equal(lock.locked(), false);
  },

  async 'with: tasks of one process exclude each other'() {
    const lock = new RLock();
    let inside = 0;
    const order: number[] = [];
    const task = (number: number): Promise<void> =>
      lock.with(async () => {
        assert.equal(++inside, 1);
        await lock.with(() => sleep(1));
        order.push(number);
        inside--;
      });
    await Promise.all([1, 2, 3, 4].map(task));
    assert.deepEqual(order, [1, 2, 3, 4]);
  },

  async 'with: another task is no owner'() {
    const lock = new RLock();
    let finish = (): void => {};
    const first = lock.with(() => new Promise<void>((resolve) => (finish = resolve)));
    await isSettled(first);
    assert.throws(() => lock.release(), NOT_OWNED);
    const second = lock.with(() => 'second');
    assert.equal(await isSettled(second), false);
    finish();
    assert.equal(await second, 'second');
  },

  async 'processes and tasks count together'() {
    const lock = new RLock();
    const numbers = sharedNumbers(1);
    const increment = (): Promise<void> =>
      lock.with(async () => {
        const value = numbers[0]!;
        if (value % 10 === 0) await sleep(0);
        await lock.with(() => (numbers[0] = value + 1));
      });
    const work = async (): Promise<void> => {
      for (let i = 0; i < 100; i++) await increment();
    };
    const block = (): void => {
      for (let i = 0; i < 100; i++) {
        lock.withSync(() => lock.withSync(() => numbers[0]!++));
      }
    };
    const children = [started(work), started(block), started(() => Promise.all([work(), work()]))];
    await work();
    for (const child of children) assert.equal(await child.join(), 0);
    assert.equal(numbers[0], 500);
  },

  async 'says who holds it, and how often'() {
    const lock = new RLock();
    assert.equal(String(lock), '<RLock(owner=None, count=0)>');
    lock.acquireSync();
    lock.acquireSync();
    const owner = process.pid;
    assert.equal(inspect(lock), `<RLock(owner=${owner}, count=2)>`);
    await succeeds(() => assert.equal(String(lock), `<RLock(owner=${owner}, count=nonzero)>`));
  },

  async 'recovered from the dead, however often it was acquired'() {
    const lock = new RLock();
    for (let round = 0; round < 3; round++) {
      const child = started(() => {
        lock.acquireSync();
        lock.acquireSync();
        return hang();
      });
      while (!lock.locked()) await sleep(1);
      await kill(child);
      assert.equal(await lock.acquire(), true);
      assert.equal(lock.recovered, true);
      assert.equal(String(lock), `<RLock(owner=${process.pid}, count=1)>`);
      lock.release();
      assert.equal(lock.acquireSync(), true);
      assert.equal(lock.recovered, false);
      lock.release();
    }
  },

  async 'a child does not own what its parent owns'() {
    const lock = new RLock();
    const check = (): void => {
      assert.equal(lock.acquireSync(0), false);
      assert.throws(() => lock.release(), NOT_OWNED);
    };
    await lock.with(async () => {
      await lock.acquire();
      await succeeds(check);
      assert.equal(await exitcodeAfterFork(check), ENDED_BY_ITSELF);
      lock.release();
    });
    assert.equal(lock.locked(), false);
    const numbers = sharedNumbers(2);
    const child = started(async () => {
      lock.acquireSync();
      numbers[0] = 1;
      await untilIs(numbers, 1, 1);
      assert.equal(String(lock), `<RLock(owner=${process.pid}, count=1)>`);
      lock.release();
    });
    await untilIs(numbers, 0, 1);
    numbers[1] = 1;
    assert.equal(await child.join(), 0);
  },

  async 'forked inside of with: the child has nothing to give back'() {
    const lock = new RLock();
    const owner = `<RLock(owner=${process.pid}, count=nonzero)>`;
    const forkAndWait = (): number => {
      const pid = fork();
      if (pid !== 0) assert.equal(waitpid(pid)!.exitcode, 0);
      return pid;
    };
    const check = (pid: number): void => {
      if (pid !== 0) return;
      assert.equal(String(lock), owner);
      _exit(0);
    };
    check(lock.withSync(forkAndWait));
    check(await lock.with(forkAndWait));
    assert.equal(lock.locked(), false);
  },
};
