// Objects that are collected while this process holds a lock in their memory: the kernel has a list
// of such locks, and must find nothing in it that is not there any more.
import assert from 'node:assert/strict';
import {
  Barrier,
  Condition,
  JoinableQueue,
  Lock,
  Pipe,
  Process,
  Queue,
  RLock,
  Semaphore,
  ShareableList,
  SharedArray,
  SimpleQueue,
  Value,
} from 'truefork';
import { countDescriptors, countSharedMappings } from '../support/observe.js';
import type { Scenario, Scenarios } from '../support/scenarios.js';
import { untilCollected, WITH_GC } from './garbage.js';

/** One of so many that have several mappings to themselves: the others are collected, too. */
function amongMany<T extends object>(make: () => T, use: (one: T) => void): T {
  const all = Array.from({ length: 10_000 }, make);
  use(all[7000]!);
  return all[7000]!;
}

function received<T>(object: T): T {
  const [left, right] = Pipe();
  left.sendSync(object);
  return right.recvSync() as T;
}

async function timesOut(waiting: Promise<unknown>): Promise<void> {
  await waiting.then(
    (value) => assert.equal(value, false),
    () => {},
  );
}

/** Objects that have held a lock in their memory, or hold one. */
const GARBAGE: Record<string, () => object | Promise<object>> = {
  'a queue whose task is done'() {
    const queue = new JoinableQueue();
    queue.putSync('x');
    queue.getSync();
    queue.taskDone();
    return queue;
  },
  'a queue whose task is not done'() {
    const queue = new JoinableQueue();
    queue.putSync('x');
    queue.getSync();
    return queue;
  },
  async 'a queue with tasks that were awaited'() {
    const queue = new JoinableQueue();
    queue.putSync('x');
    const joined = queue.join();
    queue.getSync();
    queue.taskDone();
    await joined;
    return queue;
  },
  async 'a queue that had more than it had room for'() {
    const queue = new Queue<string>(0, { size: 4096 });
    for (let i = 0; i < 20; i++) await queue.put('x'.repeat(1000));
    for (let i = 0; i < 20; i++) await queue.get();
    return queue;
  },
  async 'a queue in which nothing came'() {
    const queue = new SimpleQueue();
    await timesOut(queue.get(1));
    return queue;
  },
  'a Lock': () =>
    amongMany(
      () => new Lock(),
      (lock) => void lock.acquireSync(),
    ),
  async 'a Lock that was waited for'() {
    const lock = new Lock();
    const first = await lock.acquire();
    await timesOut(lock.acquire(30));
    assert.ok(first);
    return lock;
  },
  'an RLock': () =>
    amongMany(
      () => new RLock(),
      (lock) => void lock.acquireSync(),
    ),
  'a Condition': () =>
    amongMany(
      () => new Condition(),
      (lock) => void lock.acquireSync(),
    ),
  async 'a Condition that was waited for'() {
    const condition = new Condition();
    await condition.with(() => timesOut(condition.wait(20)));
    await condition.acquire();
    return condition;
  },
  async 'a Barrier that is broken'() {
    const barrier = new Barrier(2);
    await timesOut(barrier.wait(20));
    return barrier;
  },
  async 'a Semaphore'() {
    const semaphore = new Semaphore(1);
    await semaphore.acquire();
    await timesOut(semaphore.acquire(20));
    return semaphore;
  },
  'a Value': () =>
    amongMany(
      () => new Value('i', 0),
      (value) => void value.getLock().acquireSync(),
    ),
  'a SharedArray'() {
    const array = new SharedArray('d', 100_000);
    array.getLock().acquireSync();
    return array;
  },
  'a ShareableList that is closed'() {
    const list = new ShareableList([1, 'two']);
    list.shm.close();
    list.shm.unlink();
    return list;
  },
  'a Lock that was received'() {
    const lock = received(new Lock());
    lock.acquireSync();
    return lock;
  },
  'a queue that was received'() {
    const queue = received(new JoinableQueue());
    queue.putSync('x');
    queue.getSync();
    return queue;
  },
};

/** Locks work, and those of a process that is killed are passed on. */
async function isSound(make: () => object | Promise<object>): Promise<void> {
  const lock = new Lock();
  const child = new Process({
    async target() {
      await untilCollected(make);
      lock.acquireSync();
      process.kill(process.pid, 'SIGKILL');
    },
  });
  child.start();
  assert.equal(await child.join(), -9);
  assert.equal(await lock.acquire(5000), true);
  assert.equal(lock.recovered, true);
}

async function makesNoTrouble(make: () => object | Promise<object>): Promise<void> {
  await isSound(make);
  await untilCollected(make);
  const locks = [new Lock(), new Lock(), new RLock()];
  for (const lock of locks) assert.equal(lock.acquireSync(0), true);
  for (const lock of locks) lock.release();
  await isSound(make);
}

function trouble(make: () => object | Promise<object>): Scenario {
  return { run: () => makesNoTrouble(make), options: WITH_GC };
}

const own: Scenarios = {
  'a lock that is garbage is passed on when its holder is killed': {
    async run() {
      const locks = Array.from({ length: 10_000 }, () => new Lock());
      const [reader, writer] = Pipe(false);
      const child = new Process({
        async target() {
          await untilCollected(() => {
            const lock = locks[7000]!;
            lock.acquireSync();
            locks.length = 0;
            return lock;
          });
          writer.sendSync('collected');
          setInterval(() => {}, 1000);
        },
      });
      child.start();
      assert.equal(await reader.recv(), 'collected');
      assert.equal(locks[7000]!.acquireSync(0), false);
      child.kill();
      assert.equal(await locks[7000]!.acquire(5000), true);
      assert.equal(locks[7000]!.recovered, true);
      assert.equal(await child.join(), -9);
    },
    options: WITH_GC,
  },

  'nobody waits for tasks of a queue that is garbage': {
    async run() {
      const queues = [new JoinableQueue()];
      queues[0]!.putSync('task');
      const [reader, writer] = Pipe(false);
      const child = new Process({
        async target() {
          await untilCollected(() => {
            const queue = queues.pop()!;
            queue.getSync();
            return queue;
          });
          writer.sendSync('collected');
          setInterval(() => {}, 1000);
        },
      });
      child.start();
      assert.equal(await reader.recv(), 'collected');
      await assert.rejects(queues[0]!.join(10_000), { code: 'ERR_TRUEFORK_TASKS_LOST' });
      child.kill();
      await child.join();
    },
    options: WITH_GC,
  },

  'a child collects what its parent holds': {
    async run() {
      const locks = Array.from({ length: 10_000 }, () => new Lock());
      const queues = [new JoinableQueue()];
      locks[7000]!.acquireSync();
      queues[0]!.putSync('task');
      queues[0]!.getSync();
      const child = new Process({
        async target() {
          await untilCollected(() => {
            const queue = queues.pop()!;
            locks.length = 0;
            return queue;
          });
          await makesNoTrouble(() => new Lock());
        },
      });
      child.start();
      assert.equal(await child.join(), 0);
      assert.equal(locks[7000]!.acquireSync(0), false);
      locks[7000]!.release();
      assert.equal(locks[7000]!.acquireSync(0), true);
      queues[0]!.taskDone();
      assert.equal(queues[0]!.joinSync(), true);
    },
    options: WITH_GC,
  },

  'threads that have nothing to do keep nothing': {
    async run() {
      const kept = new Lock(); // the others lie beside it
      const mappings = countSharedMappings();
      const descriptors = countDescriptors();
      await untilCollected(async () => {
        const queues = [new JoinableQueue(), new JoinableQueue(), new JoinableQueue()];
        const waits = queues.map((queue) => queue.get(20).catch(() => {}));
        queues[0]!.putSync('x');
        await Promise.all([...waits, timesOut(queues[0]!.join(1))]);
        return queues;
      });
      await untilCollected(GARBAGE['a Lock that was waited for']!);
      assert.equal(countSharedMappings(), mappings);
      assert.equal(countDescriptors(), descriptors);
      assert.equal(kept.locked(), false);
    },
    options: WITH_GC,
  },
};

export const scenarios: Scenarios = { ...own };
for (const [name, make] of Object.entries(GARBAGE)) scenarios[name] = trouble(make);
