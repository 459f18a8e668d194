import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { inspect } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { Lock, TimeoutError } from 'truefork';
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
  untilWaiting,
} from './support.js';

const addon = createRequire(import.meta.url)('../../../build/Release/truefork.node') as {
  WaiterThread: unknown;
};

const TOO_MANY = misuse('NOT_LOCKED', 'semaphore or lock released too many times');

/** A child that holds the lock when this resolves, until it is killed. */
async function holder(lock: Lock) {
  const child = started(() => {
    lock.acquireSync();
    return hang();
  });
  while (!lock.locked()) await sleep(1);
  return child;
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

export const scenarios: Scenarios = {
  async 'acquired, not again, released, and not too often'() {
    const lock = new Lock();
    assert.equal(lock.locked(), false);
    assert.equal(await lock.acquire(), true);
    assert.equal(lock.locked(), true);
    assert.equal(lock.acquireSync(0), false);
    assert.equal(lock.acquireSync(-1), false);
    assert.equal(lock.acquireSync({ timeout: 20 }), false);
    assert.equal(await lock.acquire(0), false);
    assert.equal(await lock.acquire(-5), false);
    assert.equal(await lock.acquire({ timeout: 20 }), false);
    lock.release();
    assert.equal(lock.locked(), false);
    assert.throws(() => lock.release(), TOO_MANY);
    assert.equal(lock.acquireSync(), true);
    lock.release();
  },

  'an attempt in vain changes nothing for the one who holds it'() {
    const lock = new Lock();
    for (let i = 0; i < 3; i++) {
      assert.equal(lock.acquireSync(), true);
      assert.equal(lock.acquireSync(0), false);
      lock.release();
      // A link that is in the list of the dead twice is a circle.
      assert.equal(lock.acquireSync(1), true);
      assert.equal(lock.acquireSync(1), false);
      lock.release();
    }
  },

  async 'a lock that was tried in vain passes on from the dead'() {
    const [lock, other] = [new Lock(), new Lock()];
    const child = started(() => {
      lock.acquireSync();
      lock.acquireSync(0);
      lock.release();
      other.acquireSync();
      lock.acquireSync();
    });
    assert.equal(await child.join(), 0);
    for (const each of [lock, other]) {
      assert.equal(each.acquireSync(10_000), true);
      assert.equal(each.recovered, true);
    }
  },

  async 'one process at a time'() {
    const lock = new Lock();
    const numbers = sharedNumbers(1);
    const increment = async (useSync: boolean): Promise<void> => {
      for (let i = 0; i < 200; i++) {
        if (useSync) lock.acquireSync();
        else await lock.acquire();
        const value = numbers[0]!;
        if (i % 10 === 0 && !useSync) await sleep(0);
        numbers[0] = value + 1;
        lock.release();
      }
    };
    const children = [true, false, true].map((useSync) => started(() => increment(useSync)));
    const mixed = started(() => Promise.all([increment(false), increment(false)]));
    await increment(false);
    for (const child of [...children, mixed]) assert.equal(await child.join(), 0);
    assert.equal(numbers[0], 1200);
  },

  async 'waits until another process gives it back'() {
    const lock = new Lock();
    lock.acquireSync();
    const children = [
      await startedWaiting(() => assert.equal(lock.acquireSync(), true)),
      await startedWaiting(async () => assert.equal(await lock.acquire(15_000), true)),
    ];
    lock.release();
    // They end with it.
    for (const child of children) assert.equal(await child.join(), 0);
    assert.equal(lock.acquireSync(0), true);
    assert.equal(lock.recovered, true);
  },

  async 'arguments are checked'() {
    const lock = new Lock();
    const wrong = { code: 'ERR_INVALID_ARG_TYPE' };
    assert.throws(() => lock.acquireSync('1' as never), wrong);
    assert.throws(() => lock.acquireSync({ timeout: NaN }), wrong);
    await assert.rejects(lock.acquire({ timeout: '1' as never }), wrong);
    await assert.rejects(lock.acquire({ signal: {} as never }), wrong);
    await assert.rejects(lock.acquire(null as never), wrong);
    assert.equal(lock.locked(), false);
  },

  async 'timeouts: the longest, and none at all'() {
    const lock = new Lock();
    for (const timeout of [Infinity, 2 ** 31, Number.MAX_VALUE]) {
      assert.equal(lock.acquireSync({ timeout }), true);
      const waiting = lock.acquire({ timeout });
      assert.equal(await isSettled(waiting), false);
      lock.release();
      assert.equal(await waiting, true);
      lock.release();
    }
  },

  async 'a free lock is there without waiting, also beside others'() {
    const locks = Array.from({ length: 5 }, () => new Lock());
    for (const lock of locks) assert.equal(await lock.acquire(0), true);
    for (const lock of locks) lock.release();
  },

  async 'an abort ends the wait and takes nothing'() {
    const lock = new Lock();
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await assert.rejects(lock.acquire({ signal }), { name: 'AbortError', cause: reason });
    assert.equal(lock.locked(), false);
    lock.acquireSync();
    const controller = new AbortController();
    const waiting = lock.acquire({ signal: controller.signal });
    const next = lock.acquire();
    await untilWaiting();
    controller.abort(reason);
    await assert.rejects(waiting, { name: 'AbortError', cause: reason });
    lock.release();
    assert.equal(await next, true);
    controller.abort();
    lock.release();
    const late = new AbortController();
    assert.equal(await lock.acquire({ signal: late.signal }), true);
    late.abort();
    lock.release();
  },

  async 'what an thread brings after the abort is given back'() {
    const lock = new Lock();
    const child = await holder(lock);
    const controller = new AbortController();
    const waiting = lock.acquire({ signal: controller.signal });
    await untilWaiting();
    child.kill();
    child.joinSync();
    // It has the lock, or will have: the event loop has not run yet.
    controller.abort();
    assert.equal(lock.acquireSync(10_000), true);
    assert.equal(lock.recovered, true);
    await assert.rejects(waiting, { name: 'AbortError' });
    lock.release();
    assert.equal(lock.acquireSync(0), true);
    lock.release();
  },

  async 'tasks get it in the order in which they came'() {
    const lock = new Lock();
    const order: number[] = [];
    const task = async (number: number): Promise<void> => {
      await lock.acquire();
      order.push(number);
      await sleep(1);
      lock.release();
    };
    await Promise.all(Array.from({ length: 10 }, (_, number) => task(number)));
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  },

  async 'tasks get it in their order from another process'() {
    const lock = new Lock();
    const child = await holder(lock);
    const order: number[] = [];
    const tasks = [1, 2, 3].map(async (number) => {
      await lock.acquire();
      order.push(number);
      lock.release();
    });
    await untilWaiting();
    await kill(child);
    await Promise.all(tasks);
    assert.deepEqual(order, [1, 2, 3]);
  },

  async 'a blocking acquire goes before the tasks that wait'() {
    const lock = new Lock();
    await lock.acquire();
    const task = lock.acquire();
    lock.release();
    assert.equal(lock.acquireSync(10_000), true);
    assert.equal(await isSettled(task), false);
    lock.release();
    assert.equal(await task, true);
    lock.release();
  },

  async 'a blocking acquire takes over what an thread waits for'() {
    const lock = new Lock();
    const numbers = sharedNumbers(1);
    const child = started(async () => {
      lock.acquireSync();
      await untilIs(numbers, 0, 1);
      lock.release();
    });
    while (!lock.locked()) await sleep(1);
    const task = lock.acquire();
    await untilWaiting();
    numbers[0] = 1;
    assert.equal(lock.acquireSync(10_000), true);
    assert.equal(await isSettled(task), false);
    lock.release();
    assert.equal(await task, true);
    lock.release();
    assert.equal(await child.join(), 0);
  },

  async 'what an thread already has is taken over and held'() {
    const lock = new Lock();
    // As many as are kept: one more that rests is closed.
    const others = Array.from({ length: 5 }, () => new Lock());
    const numbers = sharedNumbers(2);
    const child = started(async () => {
      for (const other of others) other.acquireSync();
      lock.acquireSync();
      await untilIs(numbers, 0, 1);
      for (const other of others) other.release();
      await untilIs(numbers, 0, 2);
    });
    while (!lock.locked()) await sleep(1);
    const task = lock.acquire();
    const tasks = others.map((other) => other.acquire());
    numbers[0] = 1;
    for (const each of tasks) assert.equal(await each, true);
    numbers[0] = 2;
    child.joinSync();
    // Without a turn of the event loop.
    while (!lock.locked());
    assert.equal(lock.acquireSync(10_000), true);
    assert.equal(lock.recovered, true);
    await succeeds(() => assert.equal(lock.acquireSync(50), false));
    lock.release();
    assert.equal(await task, true);
    lock.release();
  },

  async 'several at once, given back in any order'() {
    const locks = Array.from({ length: 4 }, () => new Lock());
    const orders = [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [1, 3, 0, 2],
      [2, 0, 3, 1],
    ];
    for (const order of orders) {
      for (const lock of locks) assert.equal(lock.acquireSync(), true);
      for (const index of order) locks[index]!.release();
    }
    const child = started(() => {
      for (const lock of locks) lock.acquireSync();
      locks[1]!.release();
      locks[3]!.release();
      process.kill(process.pid, 'SIGKILL');
    });
    assert.equal(await child.join(), -9);
    assert.deepEqual(
      locks.map((lock) => lock.acquireSync(10_000) && lock.recovered),
      [true, false, true, false],
    );
  },

  async 'a hundred are awaited at once'() {
    const locks = Array.from({ length: 100 }, () => new Lock());
    const numbers = sharedNumbers(1);
    const child = started(async () => {
      for (const lock of locks) lock.acquireSync();
      numbers[0] = 1;
      await untilIs(numbers, 0, 2);
      for (const lock of locks) lock.release();
    });
    await untilIs(numbers, 0, 1);
    const all = Promise.all(locks.map((lock) => lock.acquire()));
    numbers[0] = 2;
    assert.ok((await all).every(Boolean));
    for (const lock of locks) lock.release();
    assert.equal(await child.join(), 0);
  },

  async 'a lock that is garbage while it is held'() {
    const numbers = sharedNumbers(1);
    const kept: Lock[] = [];
    for (let i = 0; i < 2000; i++) {
      const lock = new Lock();
      lock.acquireSync();
      if (i % 100 === 0) kept.push(lock);
    }
    collectGarbage();
    await sleep(5);
    collectGarbage();
    await sleep(5);
    const fresh = Array.from({ length: 3000 }, () => new Lock());
    for (const lock of fresh) assert.equal(lock.acquireSync(0), true);
    for (const lock of [...kept, ...fresh]) lock.release();
    await succeeds(() => {
      for (const lock of [...kept, ...fresh]) assert.equal(lock.acquireSync(0), true);
      numbers[0] = 1;
    });
    assert.equal(numbers[0], 1);
  },

  async 'any process may give it back'() {
    const lock = new Lock();
    lock.acquireSync();
    await succeeds(() => {
      lock.release();
      assert.throws(() => lock.release(), TOO_MANY);
    });
    assert.equal(lock.locked(), false);
    assert.throws(() => lock.release(), TOO_MANY);
    assert.equal(lock.acquireSync(0), true);
    lock.release();
  },

  async 'as a signal: one process waits, others give it back, again and again'() {
    const [lock, other] = [new Lock(), new Lock()];
    lock.acquireSync();
    const child = started(async () => {
      for (let i = 0; i < 50; i++) {
        while (!lock.locked()) await sleep(0);
        lock.release();
      }
    });
    for (let i = 0; i < 50; i++) {
      if (i % 2 === 0) assert.equal(lock.acquireSync(10_000), true);
      else assert.equal(await lock.acquire(10_000), true);
      assert.equal(lock.recovered, false);
      // The list of what this process holds is still a list.
      other.acquireSync();
      other.release();
    }
    assert.equal(await child.join(), 0);
    collectGarbage();
  },

  async 'given back by another process while a task waits'() {
    const lock = new Lock();
    lock.acquireSync();
    const task = lock.acquire();
    const child = started(() => lock.release());
    assert.equal(await task, true);
    lock.release();
    assert.equal(await child.join(), 0);
  },

  async 'with: released after the function, whatever it does'() {
    const lock = new Lock();
    const held = (): boolean => {
      assert.equal(lock.locked(), true);
      return true;
    };
    assert.equal(await lock.with(held), true);
    assert.equal(await lock.with(async () => held()), true);
    assert.equal(lock.withSync(held), true);
    assert.equal(lock.locked(), false);
    const failure = new Error('inside');
    const fail = (): never => {
      throw failure;
    };
    await assert.rejects(lock.with(fail), failure);
    await assert.rejects(
      lock.with(() => Promise.reject(failure)),
      failure,
    );
    assert.throws(() => lock.withSync(fail), failure);
    assert.equal(lock.locked(), false);
    lock.acquireSync();
    const unreached = (): never => assert.fail('without the lock');
    assert.throws(() => lock.withSync(unreached, 0), TimeoutError);
    await assert.rejects(lock.with(unreached, { timeout: 5 }), { code: 'ERR_TRUEFORK_TIMEOUT' });
    const signal = AbortSignal.abort();
    await assert.rejects(lock.with(unreached, { signal }), { name: 'AbortError' });
    {
      using scope = lock;
      assert.equal(scope.locked(), true);
    }
    assert.equal(lock.locked(), false);
  },

  async 'says who holds it'() {
    const lock = new Lock();
    assert.equal(String(lock), '<Lock(owner=None)>');
    lock.acquireSync();
    assert.equal(String(lock), `<Lock(owner=${process.pid})>`);
    assert.equal(inspect(lock), `<Lock(owner=${process.pid})>`);
    const owner = process.pid;
    await succeeds(() => assert.equal(String(lock), `<Lock(owner=${owner})>`));
    lock.release();
  },

  async 'recovered from the dead, once'() {
    const lock = new Lock();
    assert.equal(lock.recovered, false);
    for (const get of [() => lock.acquireSync(), () => lock.acquire()]) {
      await kill(await holder(lock));
      assert.equal(lock.locked(), false);
      assert.equal(await get(), true);
      assert.equal(lock.recovered, true);
      // An attempt in vain changes nothing.
      assert.equal(lock.acquireSync(0), false);
      assert.equal(lock.recovered, true);
      lock.release();
      assert.equal(await get(), true);
      assert.equal(lock.recovered, false);
      lock.release();
    }
  },

  async 'recovered however it ended'() {
    const lock = new Lock();
    const ends = [() => {}, () => process.exit(3), () => process.kill(process.pid, 'SIGTERM')];
    for (const end of ends) {
      await started(() => {
        lock.acquireSync();
        end();
      }).join();
      assert.equal(lock.acquireSync(10_000), true);
      assert.equal(lock.recovered, true);
      lock.release();
    }
  },

  async 'a child does not hold what its parent holds'() {
    const lock = new Lock();
    lock.acquireSync();
    const check = (): void => {
      assert.equal(lock.locked(), true);
      assert.equal(lock.acquireSync(0), false);
    };
    await succeeds(check);
    assert.equal(await exitcodeAfterFork(check), ENDED_BY_ITSELF);
    assert.equal(String(lock), `<Lock(owner=${process.pid})>`);
    lock.release();
    await succeeds(() => lock.acquireSync());
    assert.equal(lock.acquireSync(0), true);
    assert.equal(lock.recovered, true);
  },

  async 'a child does not wait where its parent does'() {
    const lock = new Lock();
    const child = await holder(lock);
    const task = lock.acquire();
    const timed = lock.acquire(15_000);
    await untilWaiting();
    const use = (): void => {
      assert.equal(lock.acquireSync(5), false);
      const other = new Lock();
      other.withSync(() => {});
    };
    await succeeds(use);
    assert.equal(
      await exitcodeAfterFork(async () => {
        use();
        assert.equal(await lock.acquire(5), false);
        process.exit(ENDED_BY_ITSELF);
      }),
      ENDED_BY_ITSELF,
    );
    const grandchild = started(() =>
      succeeds(async () => assert.equal(await lock.acquire(10_000), true)),
    );
    await sleep(20);
    await kill(child);
    assert.equal(await task, true);
    lock.release();
    assert.equal(await timed, true);
    lock.release();
    assert.equal(await grandchild.join(), 0);
    assert.equal(lock.acquireSync(0), true);
  },

  async 'a child of posix.fork() ends by itself while its parent waits'() {
    const lock = new Lock();
    const child = await holder(lock);
    const task = lock.acquire();
    await untilWaiting();
    assert.equal(await exitcodeAfterFork(() => {}), ENDED_BY_ITSELF);
    await kill(child);
    assert.equal(await task, true);
  },

  async 'forked inside of with: the parent still holds it, and the child gives nothing back'() {
    const lock = new Lock();
    const owner = `<Lock(owner=${process.pid})>`;
    const forkAndWait = (): number => {
      const pid = fork();
      // Within: the child has left the scope long before.
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
    check(scoped());
    await lock.with(async () => {
      await succeeds(() => assert.equal(String(lock), owner));
      assert.equal(String(lock), owner);
    });
    assert.equal(lock.locked(), false);

    function scoped(): number {
      lock.acquireSync();
      using _scope = lock;
      return forkAndWait();
    }
  },

  async 'the process lives while a task waits, and no longer'() {
    const lock = new Lock();
    lock.acquireSync();
    if (fork() === 0) {
      await sleep(100);
      lock.release();
      _exit(0);
    }
    assert.equal(await lock.acquire(), true);
    const controller = new AbortController();
    const task = lock.acquire({ signal: controller.signal });
    await untilWaiting();
    controller.abort();
    await assert.rejects(task, { name: 'AbortError' });
  },

  'a process that ends by process.exit() while its thread waits': {
    async run() {
      const lock = new Lock();
      lock.acquireSync();
      void lock.acquire();
      await untilWaiting();
      process.exit(3);
    },
    code: 3,
  },

  'a process that ends by an error while its thread waits': {
    async run() {
      const lock = new Lock();
      lock.acquireSync();
      void lock.acquire();
      await untilWaiting();
      throw new Error('on purpose');
    },
    code: 1,
    stderr: /on purpose/,
  },

  async 'a child that ends while its thread waits'() {
    const lock = new Lock();
    lock.acquireSync();
    const wait = async (): Promise<void> => {
      void lock.acquire();
      await untilWaiting();
    };
    const exiting = started(async () => {
      await wait();
      process.exit(3);
    });
    assert.equal(await exiting.join(), 3);
    lock.release();
    assert.equal(lock.acquireSync(0), true);
    assert.equal(lock.recovered, false);
    // It stays alive for what it awaits, and gets it.
    const patient = started(() => void lock.acquire());
    await untilWaiting(patient.pid);
    assert.equal(patient.isAlive(), true);
    lock.release();
    assert.equal(await patient.join(), 0);
    assert.equal(await lock.acquire(), true);
    assert.equal(lock.recovered, true);
  },

  async 'in a Worker'() {
    const url = import.meta.resolve('truefork');
    const source = `
      import { Event, Lock } from ${JSON.stringify(url)};
      const lock = new Lock();
      for (let i = 0; i < 1000; i++) lock.withSync(() => {});
      const second = lock.acquire().then(() => lock.acquire(50));
      if (await second) throw new Error('twice');
      const event = new Event();
      setTimeout(() => event.set(), 20);
      await event.wait();
      void event.wait();
    `;
    const lock = new Lock();
    lock.acquireSync();
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
      const [code] = (await once(worker, 'exit')) as [number];
      assert.equal(code, 0);
    }
    // Also one that is stopped while its waiter thread waits.
    const waits = [
      'new Event().wait()',
      'new Semaphore(0).acquire()',
      'lock.acquire()',
      'new Barrier(2).wait()',
      'condition.with(() => condition.wait())',
    ];
    for (const wait of waits) {
      const waiting = `
        import { Barrier, Condition, Event, Lock, Semaphore } from ${JSON.stringify(url)};
        import { parentPort } from 'node:worker_threads';
        const [lock, condition] = [new Lock(), new Condition()];
        lock.acquireSync();
        parentPort.postMessage('ready');
        await ${wait};
      `;
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(waiting)}`));
      await once(worker, 'message');
      await untilWaiting();
      await worker.terminate();
    }
    await succeeds(() => assert.equal(lock.acquireSync(0), false));
    lock.release();
  },

  async 'when there can be no more threads'() {
    const lock = new Lock();
    lock.acquireSync();
    const { WaiterThread } = addon;
    addon.WaiterThread = class {
      acquireLock(): number {
        return -constants.errno.EAGAIN;
      }
    };
    const failure = { code: 'EAGAIN', syscall: 'pthread_create' };
    const waiting = started(() => assert.rejects(lock.acquire(), failure));
    assert.equal(await waiting.join(), 0);
    await assert.rejects(Promise.all([lock.acquire(), lock.acquire()]), failure);
    addon.WaiterThread = WaiterThread;
    lock.release();
    assert.equal(await lock.acquire(), true);
  },
};
