import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Empty, Event, Process, Queue } from 'truefork';
import { fork, waitpid } from 'truefork/posix';
import { sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import {
  ENDED_BY_ITSELF,
  exitcodeAfterFork,
  hang,
  kill,
  started,
  startedWaiting,
  succeeds,
  untilWaiting,
} from '../synchronize/support.js';

const MEGABYTE = 2 ** 20;

/** The shared memory that this process has, in bytes. */
function sharedMemory(): number {
  const [, kilobytes] = /^RssShmem:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
  return Number(kilobytes) * 1024;
}

export const scenarios: Scenarios = {
  async 'join on a child that has put much which nobody has read'() {
    const queue = new Queue<Buffer>();
    const child = started(async () => {
      for (let i = 0; i < 100; i++) await queue.put(Buffer.alloc(MEGABYTE, i));
    });
    // In Python this is a deadlock.
    assert.equal(child.joinSync(), 0);
    assert.equal(queue.qsize(), 100);
    for (let i = 0; i < 100; i++) assert.deepEqual(queue.getSync(), Buffer.alloc(MEGABYTE, i));
    assert.ok(sharedMemory() < 20 * MEGABYTE, `${sharedMemory()} bytes`);
  },

  'a child that has put more than there is room for lives, and says so': {
    async run() {
      const queue = new Queue<Buffer>(0, { size: 2 ** 16 });
      const child = started(() => {
        for (let i = 0; i < 100; i++) queue.putSync(Buffer.alloc(5000, i));
        process.exit(4);
      });
      assert.equal(await child.join(3000), null);
      assert.equal(queue.qsize(), 100);
      for (let i = 0; i < 100; i++) assert.deepEqual(await queue.get(), Buffer.alloc(5000, i));
      assert.equal(await child.join(), 4);
    },
    stderr: /^\S+: waiting for a queue to have room for \d+ items before exiting\n$/,
  },

  async 'a process lives until what it has put is through'() {
    const ends = [
      () => {},
      () => process.exit(),
      () => sleep(1),
      () => void setTimeout(() => process.exit(), 1),
    ];
    for (const end of ends) {
      const queue = new Queue<Buffer>(0, { size: 4096 });
      const child = started(() => {
        for (let i = 0; i < 50; i++) queue.putSync(Buffer.alloc(1000, i));
        queue.close();
        return end();
      });
      await sleep(20);
      for (let i = 0; i < 50; i++) assert.deepEqual(await queue.get(), Buffer.alloc(1000, i));
      assert.equal(await child.join(), 0);
    }
  },

  async 'unless cancelJoinThread was called, before or after'() {
    const queue = new Queue<Buffer>(0, { size: 4096 });
    for (const isFirst of [true, false]) {
      await succeeds(() => {
        if (isFirst) queue.cancelJoinThread();
        for (let i = 0; i < 50; i++) queue.putSync(Buffer.alloc(1000, i));
        if (!isFirst) queue.cancelJoinThread();
      });
    }
    // An item that was not through has gone with its process.
    assert.ok(queue.qsize() < 10, `${queue.qsize()}`);
    while (!queue.empty()) queue.getSync();
    await succeeds(() => queue.putSync(Buffer.alloc(1)));
    assert.equal(queue.getSync().length, 1);
  },

  async 'a child has nothing of what its parent has yet to put'() {
    const queue = new Queue<Buffer>(0, { size: 4096 });
    for (let i = 0; i < 20; i++) queue.putSync(Buffer.alloc(1000, i));
    await succeeds(() => {});
    assert.equal(await exitcodeAfterFork(() => {}), ENDED_BY_ITSELF);
    const child = started(() => queue.putSync(Buffer.alloc(1000, 99)));
    const numbers: number[] = [];
    for (let i = 0; i < 21; i++) numbers.push((await queue.get(10_000))[0]!);
    assert.deepEqual(
      numbers.filter((number) => number !== 99),
      Array.from({ length: 20 }, (_, i) => i),
    );
    assert.equal(await child.join(), 0);
    assert.equal(queue.empty(), true);
  },

  async 'a child does not wait where its parent does'() {
    const queue = new Queue<number>();
    const limited = new Queue<number>(1);
    limited.putSync(1);
    const getting = queue.get();
    const putting = limited.put(2);
    await untilWaiting();
    const look = (): void => {
      assert.throws(() => queue.getSync(5), Empty);
      assert.throws(() => limited.putSync(3, 5), { name: 'Full' });
    };
    await succeeds(look);
    assert.equal(await exitcodeAfterFork(look), ENDED_BY_ITSELF);
    await succeeds(async () => assert.equal(await limited.get(), 1));
    await putting;
    queue.putSync(7);
    assert.equal(await getting, 7);
    assert.equal(limited.getSync(), 2);
  },

  async 'children of posix.fork() use it too'() {
    const queue = new Queue<number>();
    const pid = fork();
    if (pid === 0) {
      for (let i = 0; i < 100; i++) queue.putSync(i);
      process.exit(0);
    }
    for (let i = 0; i < 100; i++) assert.equal(await queue.get(), i);
    assert.equal(waitpid(pid)!.exitcode, 0);
  },

  async 'a getter that dies while it waits, however it waits, keeps nobody else'() {
    const queue = new Queue<number>();
    for (const wait of [() => queue.getSync(), () => queue.get()]) {
      const dying = await startedWaiting(wait);
      const patient = await startedWaiting(wait);
      await kill(dying);
      queue.putSync(1);
      assert.equal(await patient.join(), 0);
      assert.equal(queue.empty(), true);
    }
  },

  async 'a putter that dies while it waits keeps nobody else'() {
    const queue = new Queue<number>(1);
    queue.putSync(0);
    for (const wait of [() => queue.putSync(1), () => queue.put(1)]) {
      const dying = await startedWaiting(wait);
      const patient = await startedWaiting(wait);
      await kill(dying);
      queue.getSync();
      assert.equal(await patient.join(), 0);
      assert.equal(queue.qsize(), 1);
    }
  },

  async 'a producer that dies inside of a long item'() {
    const queue = new Queue<Buffer>(2, { size: 4096 });
    for (let round = 0; round < 5; round++) {
      // Nobody takes it, so that it waits inside of it.
      const producer = await startedWaiting(() => queue.putSync(Buffer.alloc(20_000)));
      assert.equal(queue.empty(), false);
      const consumer = round % 2 === 0 ? queue.get() : undefined;
      producer.kill();
      await producer.join();
      await queue.put(Buffer.alloc(round));
      // Nobody, or one that was whole when the producer was killed.
      let item = await (consumer ?? queue.get());
      if (item.length === 20_000 && consumer !== undefined) item = await queue.get();
      assert.equal(item.length, round);
      assert.equal(queue.empty(), true);
    }
  },

  async 'a consumer sees that the producer of a long item has died, though nobody puts'() {
    const queue = new Queue<Buffer>(2, { size: 4096 });
    for (let round = 0; round < 20; round++) {
      const producer = started(() => queue.putSync(Buffer.alloc(50_000_000)));
      // A process that is inside of an item when the time is over waits until it is not.
      const getting = Promise.allSettled([queue.get(100)]);
      await sleep(round % 5);
      producer.kill();
      await producer.join();
      const [outcome] = await getting;
      if (outcome.status === 'fulfilled') assert.equal(outcome.value.length, 50_000_000);
      else assert.ok(outcome.reason instanceof Empty);
      assert.equal(queue.qsize(), 0);
    }
  },

  async 'a consumer that dies inside of a long item: the next one skips the rest'() {
    const queue = new Queue<Buffer>(2, { size: 4096 });
    for (let round = 0; round < 10; round++) {
      const producer = started(() => {
        queue.putSync(Buffer.alloc(30_000_000, 1));
        queue.putSync(Buffer.from('next'));
      });
      const consumer = started(() => queue.getSync());
      await sleep(round);
      consumer.kill();
      const wasKilled = (await consumer.join()) === -9;
      const first = await queue.get(10_000);
      if (first.length > 4) {
        assert.ok(wasKilled); // before it had begun
        assert.equal(first.length, 30_000_000);
        assert.equal((await queue.get(10_000)).toString(), 'next');
      } else {
        assert.equal(first.toString(), 'next');
      }
      assert.equal(await producer.join(), 0);
      assert.equal(queue.qsize(), 0);
    }
  },

  async 'what an thread has taken when its process ends goes back'() {
    const queue = new Queue<number>();
    for (let round = 0; round < 20; round++) {
      const isWaiting = new Event();
      const isOver = new Event();
      const child = started(async () => {
        void queue.get();
        await untilWaiting();
        isWaiting.set();
        // The waiter thread takes it, and this thread does not look.
        while (!isOver.isSet());
        process.exit(0);
      });
      await isWaiting.wait();
      queue.putSync(round);
      isOver.set();
      assert.equal(await child.join(), 0);
      assert.equal(await queue.get(10_000), round);
      assert.equal(queue.empty(), true);
    }
  },

  async 'a killed process leaves nothing of what it had yet to put'() {
    const queue = new Queue<Buffer>(0, { size: 4096 });
    const child = started(async () => {
      for (let i = 0; i < 100; i++) queue.putSync(Buffer.alloc(1000, i));
      await hang();
    });
    await until(() => queue.qsize() === 100);
    await kill(child);
    assert.ok(queue.qsize() < 10);
    for (let i = 0; !queue.empty(); i++) assert.equal(queue.getSync()[0], i);
    assert.equal(queue.qsize(), 0);
  },

  async 'a queue that is passed on to grandchildren'() {
    const queue = new Queue<string>();
    const child = new Process({
      target: async () => {
        const grandchild = started(() => queue.putSync('hello'));
        assert.equal(await grandchild.join(), 0);
      },
    });
    child.start();
    assert.equal(await queue.get(), 'hello');
    assert.equal(await child.join(), 0);
  },

  'a process that ends while its threads wait': {
    async run() {
      void new Queue().get();
      const full = new Queue(1);
      full.putSync(1);
      void full.put(2);
      await untilWaiting();
      process.exit(3);
    },
    code: 3,
  },

  'a program that has put and ends': {
    run() {
      const queue = new Queue();
      for (let i = 0; i < 1000; i++) queue.putSync({ i });
    },
  },
};
