// Queues of shared memory that a program has registered with a manager.
import assert from 'node:assert/strict';
import { asyncProxy, BaseManager, Empty, Event, Full, JoinableQueue, Queue } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import { isSettled, started } from './support.js';

const one = new Queue<number>();

class Queues extends BaseManager {
  declare queue: () => Queue<number>;
  declare joinable: () => JoinableQueue;
}
Queues.register('queue', () => one);
Queues.register('joinable', () => new JoinableQueue(2));

export const scenarios: Scenarios = {
  async 'a call that blocks holds up only its caller'() {
    using manager = new Queues().start();
    const queue = manager.queue();
    const answers = manager.joinable();
    const blocked = started(() => answers.putSync(queue.getSync()));
    const waiting = queue.get();
    assert.equal(queue.qsize(), 0);
    assert.equal(await isSettled(waiting), false);
    assert.throws(() => queue.getNowait(), Empty);
    queue.putSync(1);
    await asyncProxy(queue).put(2);
    const sum = (await waiting) + ((await answers.get()) as number);
    assert.equal(sum, 3);
    assert.equal(await blocked.join(), 0);
    const controller = new AbortController();
    const aborted = queue.get({ signal: controller.signal });
    controller.abort();
    await assert.rejects(aborted, { name: 'AbortError' });
    // It is the queue of this process, too.
    await one.put(7);
    assert.equal(await queue.get(20_000), 7);
  },

  async 'one who is killed while it waits takes nothing'() {
    using manager = new Queues().start();
    const queue = manager.queue();
    const isAbout = new Event();
    const child = started(() => {
      isAbout.set();
      queue.getSync();
    });
    await isAbout.wait();
    child.kill();
    await child.join();
    queue.putSync(3);
    assert.equal(await queue.get(), 3);
  },

  async tasks() {
    using manager = new Queues().start();
    const tasks = manager.joinable();
    await tasks.put(1);
    tasks.putSync(2);
    assert.throws(() => tasks.putNowait(3), Full);
    assert.equal(tasks.full(), true);
    await tasks.get();
    tasks.taskDone();
    assert.equal(await tasks.join(1), false);
    tasks.getSync();
    tasks.taskDone();
    assert.equal(tasks.joinSync(), true);
    assert.throws(() => tasks.taskDone(), { code: 'ERR_TRUEFORK_TOO_MANY_DONE' });
  },
};
