// Very many waits at once. If each cost in proportion to the others, these would take minutes.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  asyncProxy,
  Barrier,
  Condition,
  Event,
  Lock,
  Manager,
  Pipe,
  Pool,
  Queue,
  Semaphore,
  wait,
} from 'truefork';
import type { Scenarios } from '../support/scenarios.js';

const MANY = 100_000;
/** As many tasks of one process can wait at a Condition, with some to spare. */
const MANY_AT_CONDITION = 30_000;
/** More than an AbortSignal of Node 20 may have listeners. */
const SOME = 30;

function times<T>(count: number, start: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => start(i));
}

/** Whether all end in vain. */
async function areInVain(waits: Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(waits)) {
    assert.ok(outcome.status === 'rejected' || outcome.value === false);
  }
}

async function heldLock(): Promise<Lock> {
  const lock = new Lock();
  await lock.acquire();
  return lock;
}

/** Some waits of each kind with one signal, which end with AbortErrors. */
async function abortsAll(start: (signal: AbortSignal) => unknown): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  const waits = times(SOME, async () => start(signal));
  setTimeout(() => controller.abort(), 20);
  for (const outcome of await Promise.allSettled(waits)) {
    const { reason } = outcome as PromiseRejectedResult;
    assert.equal((reason as Error | undefined)?.name, 'AbortError');
  }
  assert.equal(getEventListeners(signal, 'abort').length, 0);
}

export const scenarios: Scenarios = {
  async 'for a lock'() {
    const lock = new Lock();
    let count = 0;
    await Promise.all(times(MANY, () => lock.with(() => count++)));
    assert.equal(count, MANY);
  },

  async 'for a semaphore'() {
    const semaphore = new Semaphore();
    await Promise.all(times(MANY, () => semaphore.with(() => {})));
    assert.equal(semaphore.getValue(), 1);
  },

  async 'for room in a queue, and for items'() {
    const queue = new Queue<number>(1);
    const puts = times(MANY, (i) => queue.put(i));
    const gets = times(MANY, () => queue.get());
    assert.deepEqual(
      await Promise.all(gets),
      times(MANY, (i) => i),
    );
    await Promise.all(puts);
  },

  async 'for messages'() {
    const [receiver, sender] = Pipe();
    const receives = times(MANY, () => receiver.recv());
    for (let i = 0; i < MANY; i++) await sender.send(i);
    assert.deepEqual(
      await Promise.all(receives),
      times(MANY, (i) => i),
    );
  },

  async 'for a notification each'() {
    const condition = new Condition(new Lock());
    let left = MANY_AT_CONDITION;
    const waits = times(MANY_AT_CONDITION, () =>
      condition.with(async () => {
        await condition.wait();
        left--;
      }),
    );
    const isOver = (): boolean => left === 0;
    while (!isOver()) {
      await condition.with(() => condition.notify());
      await nextTurn();
    }
    await Promise.all(waits);
  },

  async 'for an event, and at a barrier'() {
    const event = new Event();
    const barrier = new Barrier(MANY);
    const waits = times(MANY, async () => {
      await event.wait();
      return barrier.wait();
    });
    setTimeout(() => event.set(), 10);
    assert.equal(new Set(await Promise.all(waits)).size, MANY);
  },

  async 'for a pool'() {
    const pool = new Pool(1);
    const double = (i: number): number => i * 2;
    const values = await Promise.all(times(MANY, (i) => pool.apply(double, [i])));
    assert.equal(values[MANY - 1], (MANY - 1) * 2);
    pool.close();
    await pool.join();
  },

  async 'that time out'() {
    const lock = await heldLock();
    const full = new Queue<number>(1);
    await full.put(0);
    const empty = new Queue();
    const [receiver] = Pipe();
    const event = new Event();
    for (const start of [
      () => lock.acquire(50),
      () => empty.get(50),
      () => full.put(1, 50),
      () => receiver.recv(50),
      () => event.wait(50),
    ]) {
      await areInVain(times(MANY, start));
    }
  },

  async 'that are aborted by one signal'() {
    const lock = await heldLock();
    const controller = new AbortController();
    const waits = times(MANY, () => lock.acquire({ signal: controller.signal }));
    setTimeout(() => controller.abort(), 50);
    await areInVain(waits);
  },

  async 'all kinds with one signal: one listener, which goes with the last of them'() {
    const lock = await heldLock();
    const [receiver] = Pipe();
    const empty = new Queue();
    const condition = new Condition();
    const pool = new Pool(1);
    const manager = Manager();
    const dict = asyncProxy(manager.Queue());
    const all: ((signal: AbortSignal) => unknown)[] = [
      (signal) => lock.acquire({ signal }),
      (signal) => receiver.recv({ signal }),
      (signal) => wait([receiver], { signal }),
      (signal) => empty.get({ signal }),
      (signal) => condition.with(() => condition.wait({ signal })),
      (signal) => pool.apply(() => new Promise(() => setInterval(() => {}, 1000)), [], { signal }),
      (signal) => dict.get({ signal }),
    ];
    for (const start of all) await abortsAll(start);
    pool.terminate();
    await pool.join();
    await manager.shutdown();
  },

  async 'a signal that outlives its waits keeps nothing of them'() {
    const { signal } = new AbortController();
    const event = new Event();
    const waits = times(SOME, () => event.wait({ signal }));
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    event.set();
    await Promise.all(waits);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  },
};
