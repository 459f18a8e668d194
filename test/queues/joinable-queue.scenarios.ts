import assert from 'node:assert/strict';
import { JoinableQueue, Process } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import {
  isSettled,
  kill,
  misuse,
  sharedNumbers,
  started,
  startedWaiting,
  succeeds,
  untilIs,
  hang,
  untilWaiting,
} from '../synchronize/support.js';

const TOO_MANY = misuse('TOO_MANY_DONE', 'task_done() called too many times');

export const scenarios: Scenarios = {
  async 'join waits until all is done'() {
    const queue = new JoinableQueue<number | null>();
    const done = sharedNumbers(1);
    const consumers = Array.from({ length: 4 }, () =>
      started(async () => {
        for await (const item of queue) {
          if (item !== null) Atomics.add(done, 0, item);
          queue.taskDone();
          if (item === null) return;
        }
      }),
    );
    for (let i = 0; i < 100; i++) await queue.put(i);
    assert.equal(await queue.join(), true);
    assert.equal(done[0], 4950);
    for (let i = 0; i < 4; i++) queue.putSync(null);
    assert.equal(queue.joinSync(), true);
    for (const consumer of consumers) assert.equal(await consumer.join(), 0);
    assert.throws(() => queue.taskDone(), TOO_MANY);
  },

  async 'by hand'() {
    const queue = new JoinableQueue();
    assert.equal(queue.joinSync(), true);
    assert.throws(() => queue.taskDone(), TOO_MANY);
    queue.putSync(1);
    queue.putSync(2);
    assert.equal(queue.joinSync(5), false);
    assert.equal(await queue.join(5), false);
    await assert.rejects(queue.join({ signal: AbortSignal.abort() }), { name: 'AbortError' });
    queue.getSync();
    queue.taskDone();
    assert.equal(await queue.get(), 2);
    const joining = queue.join();
    const other = queue.join();
    assert.equal(await isSettled(joining), false);
    const controller = new AbortController();
    const aborted = queue.join({ signal: controller.signal });
    controller.abort();
    await assert.rejects(aborted, { name: 'AbortError' });
    queue.taskDone();
    assert.equal(await joining, true);
    assert.equal(await other, true);
    assert.throws(() => queue.taskDone(), TOO_MANY);
  },

  async 'another process may say that it is done'() {
    const queue = new JoinableQueue();
    queue.putSync(1);
    queue.getSync();
    await succeeds(() => queue.taskDone());
    assert.equal(queue.joinSync(1000), true);
  },

  async 'several processes join'() {
    const queue = new JoinableQueue();
    queue.putSync(1);
    queue.getSync();
    const children = [
      await startedWaiting(() => assert.equal(queue.joinSync(), true)),
      await startedWaiting(async () => assert.equal(await queue.join(), true)),
      await startedWaiting(() => queue.joinSync()),
    ];
    await kill(children[2]!);
    queue.taskDone();
    for (const child of children.slice(0, 2)) assert.equal(await child.join(), 0);
  },

  async 'a task that is lost with its process'() {
    const queue = new JoinableQueue<string>();
    const has = sharedNumbers(1);
    const lost = {
      code: 'ERR_TRUEFORK_TASKS_LOST',
      message: '2 of the items were taken by processes that ended without taskDone()',
    };
    for (const join of [async () => queue.joinSync(), () => queue.join()]) {
      has[0] = 0;
      const consumers = Array.from({ length: 2 }, (_, i) =>
        started(async () => {
          assert.equal(typeof (i === 0 ? queue.getSync() : await queue.get()), 'string');
          Atomics.add(has, 0, 1);
          await hang();
        }),
      );
      queue.putSync('a');
      queue.putSync('b');
      await untilIs(has, 0, 2);
      assert.equal(await queue.join(300), false);
      const joining = assert.rejects(queue.join(), lost);
      await untilWaiting();
      for (const consumer of consumers) await kill(consumer);
      await joining;
      assert.equal(await join(), true);
    }
  },

  async 'what is still in the queue is not lost'() {
    const queue = new JoinableQueue<number>();
    const has = sharedNumbers(1);
    const dying = started(async () => {
      queue.getSync();
      has[0] = 1;
      await hang();
    });
    for (let i = 0; i < 3; i++) queue.putSync(i);
    await untilIs(has, 0, 1);
    const joining = queue.join();
    await kill(dying);
    assert.equal(await queue.join(300), false);
    await succeeds(() => {
      queue.getSync();
      queue.taskDone();
    });
    const rejected = assert.rejects(joining, /^ProcessError: 1 of the items/);
    await succeeds(async () => {
      await queue.get();
      queue.taskDone();
    });
    await rejected;
  },

  async 'items that a killed process has yet to put are not waited for'() {
    const queue = new JoinableQueue<Buffer>(0, { size: 4096 });
    const has = sharedNumbers(1);
    const producer = started(async () => {
      for (let i = 0; i < 100; i++) queue.putSync(Buffer.alloc(1000));
      has[0] = 1;
      await hang();
    });
    await untilIs(has, 0, 1);
    await kill(producer);
    while (!queue.empty()) {
      queue.getSync();
      queue.taskDone();
    }
    assert.equal(await queue.join(10_000), true);
  },

  async 'daemons consume, the producer joins the queue'() {
    const queue = new JoinableQueue<number>(5);
    const done = sharedNumbers(1);
    for (let i = 0; i < 3; i++) {
      const target = (): void => {
        for (;;) {
          Atomics.add(done, 0, queue.getSync());
          queue.taskDone();
        }
      };
      new Process({ target, daemon: true }).start();
    }
    for (let i = 1; i <= 200; i++) queue.putSync(i);
    queue.joinSync();
    assert.equal(done[0], 20_100);
  },
};
