import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { BoundedSemaphore, Semaphore, TimeoutError } from 'truefork';
import { _exit, fork, waitpid } from 'truefork/posix';
import { sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import {
  ENDED_BY_ITSELF,
  exitcodeAfterFork,
  isSettled,
  kill,
  misuse,
  sharedNumbers,
  started,
  startedWaiting,
  succeeds,
  untilIs,
  untilWaiting,
} from './support.js';

const TOO_MANY = misuse('TOO_MANY_RELEASES', 'semaphore or lock released too many times');

function testPermits(semaphore: Semaphore): void {
  assert.equal(semaphore.getValue(), 2);
  assert.equal(semaphore.acquireSync(), true);
  assert.equal(semaphore.getValue(), 1);
  assert.equal(semaphore.acquireSync(), true);
  assert.equal(semaphore.getValue(), 0);
  assert.equal(semaphore.acquireSync(0), false);
  assert.equal(semaphore.getValue(), 0);
  semaphore.release();
  assert.equal(semaphore.getValue(), 1);
  semaphore.release();
  assert.equal(semaphore.getValue(), 2);
}

export const scenarios: Scenarios = {
  'permits, and more than at first'() {
    const semaphore = new Semaphore(2);
    testPermits(semaphore);
    semaphore.release();
    assert.equal(semaphore.getValue(), 3);
    semaphore.release();
    assert.equal(semaphore.getValue(), 4);
    assert.equal(new Semaphore().getValue(), 1);
  },

  'bounded: never more than at first'() {
    const semaphore = new BoundedSemaphore(2);
    testPermits(semaphore);
    assert.throws(() => semaphore.release(), TOO_MANY);
    assert.equal(semaphore.getValue(), 2);
    assert.throws(() => new BoundedSemaphore(0).release(), TOO_MANY);
    const most = new Semaphore(2 ** 31 - 1);
    assert.throws(() => most.release(), TOO_MANY);
    assert.equal(most.getValue(), 2 ** 31 - 1);
  },

  'arguments are checked'() {
    const range = { code: 'ERR_OUT_OF_RANGE' };
    assert.throws(() => new Semaphore(-1), range);
    assert.throws(() => new Semaphore(1.5), range);
    assert.throws(() => new BoundedSemaphore(2 ** 31), range);
    assert.throws(() => new Semaphore('1' as never), { code: 'ERR_INVALID_ARG_TYPE' });
  },

  async 'all forms of a timeout'() {
    const semaphore = new Semaphore(0);
    for (const timeout of [0, -1, 5]) {
      assert.equal(semaphore.acquireSync(timeout), false);
      assert.equal(semaphore.acquireSync({ timeout }), false);
      assert.equal(await semaphore.acquire(timeout), false);
      assert.equal(await semaphore.acquire({ timeout }), false);
    }
    semaphore.release();
    assert.equal(await semaphore.acquire(0), true);
    semaphore.release();
    assert.equal(semaphore.acquireSync(2 ** 31), true);
    const waiting = semaphore.acquire(2 ** 40);
    assert.equal(await isSettled(waiting), false);
    semaphore.release();
    assert.equal(await waiting, true);
    assert.equal(semaphore.getValue(), 0);
  },

  async 'an abort costs no permit'() {
    const semaphore = new Semaphore(1);
    const signal = AbortSignal.abort();
    await assert.rejects(semaphore.acquire({ signal }), { name: 'AbortError' });
    assert.equal(semaphore.acquireSync(0), true);
    for (let round = 0; round < 200; round++) {
      const controller = new AbortController();
      const waiting = semaphore.acquire({ signal: controller.signal });
      if (round % 4 === 0) await untilWaiting();
      semaphore.release();
      if (round % 3 === 0) await Promise.resolve();
      controller.abort();
      // Whichever came first: there is one permit, and somebody has it.
      const wasAborted = await waiting.then(
        () => false,
        () => true,
      );
      if (wasAborted) assert.equal(semaphore.acquireSync(10_000), true);
      assert.equal(semaphore.getValue(), 0);
    }
  },

  async 'each permit goes to one, whether it blocks or awaits'() {
    const semaphore = new Semaphore(0);
    const children = [
      await startedWaiting(() => assert.equal(semaphore.acquireSync(), true)),
      await startedWaiting(async () => assert.equal(await semaphore.acquire(), true)),
      await startedWaiting(async () => {
        const both = await Promise.all([semaphore.acquire(), semaphore.acquire(15_000)]);
        assert.deepEqual(both, [true, true]);
      }),
    ];
    const own = semaphore.acquire();
    await untilWaiting();
    for (let i = 0; i < 5; i++) semaphore.release();
    for (const child of children) assert.equal(await child.join(), 0);
    assert.equal(await own, true);
    assert.equal(semaphore.getValue(), 0);
  },

  async 'tasks get permits in the order in which they came'() {
    const semaphore = new Semaphore(0);
    const order: number[] = [];
    const tasks = [1, 2, 3, 4].map(async (number) => {
      await semaphore.acquire();
      order.push(number);
    });
    const child = started(async () => {
      for (let i = 0; i < 4; i++) {
        semaphore.release();
        await sleep(i);
      }
    });
    await Promise.all(tasks);
    assert.deepEqual(order, [1, 2, 3, 4]);
    assert.equal(await child.join(), 0);
  },

  async 'a blocking acquire takes over what an thread waits for'() {
    const semaphore = new Semaphore(0);
    const task = semaphore.acquire();
    await untilWaiting();
    const numbers = sharedNumbers(1);
    const child = started(async () => {
      await untilIs(numbers, 0, 1);
      semaphore.release();
    });
    numbers[0] = 1;
    assert.equal(semaphore.acquireSync(10_000), true);
    assert.equal(await isSettled(task), false);
    semaphore.release();
    assert.equal(await task, true);
    assert.equal(await child.join(), 0);
  },

  async 'what an thread got after the abort is there for a blocking acquire'() {
    const semaphore = new Semaphore(0);
    for (let round = 0; round < 30; round++) {
      const controller = new AbortController();
      const task = semaphore.acquire({ signal: controller.signal });
      await untilWaiting();
      const pid = fork();
      if (pid === 0) {
        semaphore.release();
        _exit(0);
      }
      waitpid(pid);
      // The event loop has not run since.
      controller.abort();
      assert.equal(semaphore.acquireSync(10_000), true);
      await assert.rejects(task, { name: 'AbortError' });
      assert.equal(semaphore.getValue(), 0);
    }
  },

  async 'many processes, some permits'() {
    const semaphore = new BoundedSemaphore(3);
    const numbers = sharedNumbers(2);
    const use = (): void => {
      const inside = Atomics.add(numbers, 0, 1) + 1;
      assert.ok(inside <= 3, `${inside} inside`);
      Atomics.add(numbers, 1, 1);
    };
    const leave = (): number => Atomics.sub(numbers, 0, 1);
    const children = Array.from({ length: 6 }, (_, child) =>
      started(async () => {
        for (let i = 0; i < 100; i++) {
          if (child % 2 === 0) semaphore.acquireSync();
          else await semaphore.acquire();
          use();
          if (i % 10 === 0) await sleep(0);
          leave();
          semaphore.release();
        }
      }),
    );
    for (const child of children) assert.equal(await child.join(), 0);
    assert.equal(numbers[1], 600);
    assert.equal(semaphore.getValue(), 3);
  },

  async with() {
    const semaphore = new Semaphore(1);
    const value = (): number => semaphore.getValue();
    assert.equal(await semaphore.with(value), 0);
    assert.equal(await semaphore.with(async () => value()), 0);
    assert.equal(semaphore.withSync(value), 0);
    const failure = new Error('inside');
    await assert.rejects(
      semaphore.with(() => Promise.reject(failure)),
      failure,
    );
    assert.equal(value(), 1);
    semaphore.acquireSync();
    assert.throws(() => semaphore.withSync(value, 0), TimeoutError);
    await assert.rejects(semaphore.with(value, { timeout: 1 }), TimeoutError);
    {
      using scope = semaphore;
      assert.equal(scope.getValue(), 0);
    }
    assert.equal(value(), 1);
  },

  'says how many there are'() {
    const semaphore = new Semaphore(3);
    assert.equal(String(semaphore), '<Semaphore(value=3)>');
    assert.equal(inspect(semaphore), '<Semaphore(value=3)>');
    semaphore.acquireSync();
    assert.equal(String(semaphore), '<Semaphore(value=2)>');
    const bounded = new BoundedSemaphore(4);
    bounded.acquireSync();
    assert.equal(inspect(bounded), '<BoundedSemaphore(value=3, maxvalue=4)>');
  },

  async 'a waiter that dies costs no permit'() {
    const semaphore = new Semaphore(0);
    for (const wait of [() => semaphore.acquireSync(), () => semaphore.acquire()]) {
      const dying = await startedWaiting(wait);
      const patient = await startedWaiting(wait);
      await kill(dying);
      semaphore.release();
      assert.equal(await patient.join(), 0);
      assert.equal(semaphore.getValue(), 0);
    }
  },

  async 'one who was overtaken and died leaves the permits to all'() {
    const semaphore = new Semaphore(0);
    for (let round = 0; round < 20; round++) {
      const dying = await startedWaiting(() => semaphore.acquireSync());
      for (let i = 0; i < 50; i++) {
        // Taken again before the waiter is awake.
        semaphore.release();
        semaphore.acquireSync(0);
      }
      dying.kill();
      await dying.join();
      while (semaphore.acquireSync(0));
      semaphore.release();
      assert.equal(semaphore.acquireSync(0), true);
      semaphore.release();
      assert.equal(await semaphore.acquire(0), true);
    }
  },

  async 'a child does not wait where its parent does'() {
    const semaphore = new Semaphore(0);
    const task = semaphore.acquire();
    await untilWaiting();
    const look = (): void => assert.equal(semaphore.acquireSync(2), false);
    await succeeds(look);
    assert.equal(await exitcodeAfterFork(look), ENDED_BY_ITSELF);
    const own = async (): Promise<void> => assert.equal(await semaphore.acquire(), true);
    const child = await startedWaiting(own);
    const grandchild = started(() => succeeds(own));
    for (let i = 0; i < 3; i++) semaphore.release();
    assert.equal(await task, true);
    assert.equal(await child.join(), 0);
    assert.equal(await grandchild.join(), 0);
    assert.equal(semaphore.getValue(), 0);
  },

  async 'forked inside of with: one gives the permit back'() {
    const semaphore = new BoundedSemaphore(1);
    const forkAndWait = (): number => {
      const pid = fork();
      if (pid !== 0) assert.equal(waitpid(pid)!.exitcode, 0);
      return pid;
    };
    const check = (pid: number): void => {
      if (pid !== 0) return;
      assert.equal(semaphore.getValue(), 0);
      _exit(0);
    };
    check(semaphore.withSync(forkAndWait));
    check(await semaphore.with(forkAndWait));
    assert.equal(semaphore.getValue(), 1);
  },

  async 'the process lives while a task waits'() {
    const semaphore = new Semaphore(0);
    if (fork() === 0) {
      await sleep(50);
      semaphore.release();
      _exit(0);
    }
    assert.equal(await semaphore.acquire(), true);
  },

  'a process that ends while its thread waits': {
    async run() {
      void new Semaphore(0).acquire();
      await untilWaiting();
      process.exit(3);
    },
    code: 3,
  },
};
