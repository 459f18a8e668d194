import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { Empty, Event, Full, SimpleQueue } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import { misuse, started, untilWaiting } from '../synchronize/support.js';

export const scenarios: Scenarios = {
  async 'empty, here and in a child'() {
    const queue = new SimpleQueue<boolean>();
    const childMayGo = new Event();
    const parentMayGo = new Event();
    const child = started(async () => {
      await childMayGo.wait();
      queue.putSync(queue.empty());
      queue.putSync(queue.empty());
      parentMayGo.set();
    });
    assert.equal(queue.empty(), true);
    childMayGo.set();
    await parentMayGo.wait();
    assert.equal(queue.empty(), false);
    assert.equal(await queue.get(), true);
    assert.equal(queue.getSync(), false);
    assert.equal(queue.empty(), true);
    assert.equal(await child.join(), 0);
  },

  async closed() {
    const queue = new SimpleQueue();
    const waiting = queue.get();
    await untilWaiting();
    queue.close();
    queue.close();
    const closed = misuse('CLOSED', 'the queue is closed');
    await assert.rejects(waiting, closed);
    assert.throws(() => queue.empty(), closed);
    assert.throws(() => queue.putSync(1), closed);
    assert.throws(() => queue.getSync(), closed);
    await assert.rejects(queue.put(1), closed);
    await assert.rejects(queue.get(), closed);
    assert.equal(inspect(queue), '<SimpleQueue closed>');
    {
      using other = new SimpleQueue();
      assert.equal(other.empty(), true);
    }
  },

  async 'put waits for room, get for something'() {
    const queue = new SimpleQueue<Buffer>({ size: 4096 });
    for (let i = 0; i < 3; i++) queue.putSync(Buffer.alloc(1000, i));
    assert.throws(() => queue.putSync(Buffer.alloc(1100), 5), Full);
    await assert.rejects(queue.put(Buffer.alloc(1100), 5), Full);
    const putting = queue.put(Buffer.alloc(1000, 3));
    const child = started(async () => {
      for (let i = 0; i < 20; i++) assert.deepEqual(queue.getSync(), Buffer.alloc(1000, i));
    });
    await putting;
    for (let i = 4; i < 20; i++) queue.putSync(Buffer.alloc(1000, i));
    assert.equal(await child.join(), 0);
    await assert.rejects(queue.get(5), Empty);
    assert.throws(() => queue.getSync(5), Empty);
  },
};
