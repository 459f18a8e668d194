// Queues beside a process that is stopped (SIGSTOP) in the middle of an item. Only this process's
// own event loop lets it go on: a call that blocked until then would never end.
import assert from 'node:assert/strict';
import { Barrier, Empty, Full, JoinableQueue, Process, Queue, SimpleQueue } from 'truefork';
import { sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

const SMALL = { size: 4096 };
/** Many times as long as such a queue, in bytes. */
const LONG = 10 ** 6;
const TIMEOUT_MS = 200;

function daemon(target: () => unknown): Process {
  const child = new Process({ target, daemon: true });
  child.start();
  return child;
}

function stop(child: Process): void {
  process.kill(child.pid!, 'SIGSTOP');
}

function goOn(child: Process): void {
  process.kill(child.pid!, 'SIGCONT');
}

interface AnyQueue {
  putSync(item: unknown): void;
  empty(): boolean;
}

/** One that is stopped when part of a long item is in the queue; 'next' follows. */
async function stoppedPutter(queue: AnyQueue): Promise<Process> {
  const child = daemon(async () => {
    queue.putSync(Buffer.alloc(LONG, 7));
    queue.putSync('next');
    await sleep(60_000);
  });
  await until(() => !queue.empty());
  stop(child);
  return child;
}

interface Beside {
  queue: SimpleQueue | Queue;
  child: Process;
  /** The end of the put of the long item. */
  long: Promise<void>;
}

/**
 * One that is stopped when it has taken a part of a long item: on a busy machine not at the first
 * try.
 */
async function stoppedTaker(make: () => SimpleQueue | Queue): Promise<Beside> {
  for (;;) {
    const queue = make();
    const child = daemon(async () => {
      await queue.get();
      await sleep(60_000);
    });
    let isThrough = false;
    // It goes through only while somebody takes.
    const long = queue.put(Buffer.alloc(LONG * 50)).then(() => void (isThrough = true));
    await until(() => !queue.empty() || isThrough);
    stop(child);
    await sleep(TIMEOUT_MS);
    if (!isThrough) return { queue, child, long };
    child.kill();
  }
}

function assertLong(item: unknown): void {
  assert.deepEqual(item, Buffer.alloc(LONG, 7));
}

export const scenarios: Scenarios = {
  async 'get() ends in time, and the item is for the next one'() {
    for (const queue of [new SimpleQueue(SMALL), new Queue(5, SMALL), new Queue(0, SMALL)]) {
      const child = await stoppedPutter(queue);
      let turns = 0;
      const timer = setInterval(() => turns++, 1);
      for (const timeout of [TIMEOUT_MS, 0, TIMEOUT_MS]) {
        await assert.rejects(async () => queue.get({ timeout }), Empty);
      }
      clearInterval(timer);
      assert.ok(turns > 2, `the event loop had ${turns} turns`);
      goOn(child);
      assertLong(await queue.get());
      assert.equal(await queue.get(), 'next');
    }
  },

  async 'getSync() ends in time, and the item is for the next one'() {
    const queue = new SimpleQueue(SMALL);
    const child = await stoppedPutter(queue);
    for (const timeout of [TIMEOUT_MS, 0]) assert.throws(() => queue.getSync(timeout), Empty);
    goOn(child);
    assertLong(queue.getSync(20_000));
    assert.equal(queue.getSync(), 'next');
  },

  async 'an abort ends get(), and one that waits behind gets the item'() {
    const queue = new SimpleQueue(SMALL);
    const child = await stoppedPutter(queue);
    const controller = new AbortController();
    const first = queue.get({ signal: controller.signal });
    const second = queue.get();
    setTimeout(() => controller.abort(), 20);
    await assert.rejects(first, { name: 'AbortError' });
    goOn(child);
    assertLong(await second);
    assert.equal(await queue.get(), 'next');
  },

  async 'a queue that is closed meanwhile'() {
    const queue = new SimpleQueue(SMALL);
    await stoppedPutter(queue);
    const waiting = queue.get();
    setTimeout(() => queue.close(), 20);
    await assert.rejects(waiting, { code: 'ERR_TRUEFORK_CLOSED' });
  },

  async 'a program that has begun to take an item ends, and another takes the next one'() {
    const queue = new SimpleQueue(SMALL);
    const child = await stoppedPutter(queue);
    const taker = new Process({
      target: () => assert.rejects(queue.get(TIMEOUT_MS), Empty),
    });
    taker.start();
    assert.equal(await taker.join(), 0);
    goOn(child);
    assert.equal(await queue.get(), 'next');
  },

  async 'whoever is killed in the middle takes the item with it, and nobody waits for it'() {
    const queue = new SimpleQueue(SMALL);
    const child = await stoppedPutter(queue);
    await assert.rejects(queue.get(TIMEOUT_MS), Empty);
    child.kill();
    const next = queue.get();
    queue.putSync('mine');
    assert.equal(await next, 'mine');
  },

  async 'put() ends in time where the one who takes is stopped'() {
    for (const make of [() => new SimpleQueue(SMALL), () => new Queue(5, SMALL)]) {
      const { queue, child, long } = await stoppedTaker(make);
      await assert.rejects(async () => queue.put('short', TIMEOUT_MS), Full);
      assert.throws(() => queue.putSync('short', TIMEOUT_MS), Full);
      goOn(child);
      await long;
      child.kill();
    }
  },

  async 'all else answers, whenever the other one is stopped'() {
    const queue = new JoinableQueue(0, { size: 2 ** 16 });
    const barrier = new Barrier(2);
    const child = daemon(() => {
      for (;;) {
        for (const size of [10, 100, 30_000]) queue.putSync(Buffer.alloc(size));
        for (let i = 0; i < 3; i++) queue.getSync();
        barrier.reset();
      }
    });
    for (let round = 0; round < 60; round++) {
      await sleep(Math.random() * 4);
      stop(child);
      await queue.get(1).catch(() => {});
      await queue.put(Buffer.alloc(20_000), 1).catch(() => {});
      await queue.join(1).catch(() => {});
      await barrier.wait(1).catch(() => {});
      assert.ok(queue.qsize() >= 0);
      assert.equal(typeof queue.empty(), 'boolean');
      assert.equal(typeof queue.full(), 'boolean');
      goOn(child);
    }
    child.kill();
    queue.close();
    queue.cancelJoinThread();
  },
};
