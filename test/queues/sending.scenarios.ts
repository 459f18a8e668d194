// Queues that are sent to those who were not forked with them, and what more than data goes through
// them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  type Connection,
  DupFd,
  Empty,
  Full,
  JoinableQueue,
  Lock,
  Manager,
  Pipe,
  Pool,
  Queue,
  SharedArray,
  SimpleQueue,
  Value,
} from 'truefork';
import { pipe } from 'truefork/posix';
import { stranger } from '../connection/stranger.js';
import { countDescriptors, countSharedMappings, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { started, succeeds } from '../synchronize/support.js';

const { gc } = globalThis as unknown as { gc: () => void };

interface Sent {
  lock: Lock;
  value: Value<'i'>;
  theirs: Connection;
}

export const scenarios: Scenarios = {
  async 'a queue that is made when the child runs'() {
    const [ours, theirs] = Pipe();
    const child = started(async () => {
      const { queue, results } = (await theirs.recv()) as Record<string, Queue<number>>;
      assert.ok(queue instanceof Queue && !(queue instanceof JoinableQueue));
      for (let sum = 0; ;) {
        const number = await queue.get();
        if (number < 0) return results!.put(sum);
        sum += number;
      }
    });
    const queue = new Queue<number>(10);
    const results = new Queue<number>();
    await ours.send({ queue, results });
    for (let i = 1; i <= 1000; i++) await queue.put(i);
    await queue.put(-1);
    assert.equal(await results.get(), 500_500);
    assert.equal(await child.join(), 0);
  },

  async 'what comes back is the queue that was sent'() {
    const queues = [new Queue(5), new JoinableQueue(), new SimpleQueue()];
    const inherited = new Queue();
    const [a, b] = Pipe();
    for (const queue of queues) {
      a.sendSync([queue, { queue }]);
      const [first, second] = b.recvSync() as [object, { queue: object }];
      assert.equal(first, queue);
      assert.equal(second.queue, queue);
    }
    const child = started(() => {
      assert.equal(b.recvSync(), inherited);
      b.sendSync(inherited);
    });
    a.sendSync(inherited);
    assert.equal(a.recvSync(), inherited);
    assert.equal(await child.join(), 0);
    // Through itself.
    await inherited.put({ inherited });
    assert.equal(((await inherited.get()) as { inherited: object }).inherited, inherited);
  },

  async 'a program that is no child'() {
    const [connection, end] = await stranger(`
      const [queue, tasks, simple] = await connection.recv();
      for await (const item of queue) {
        if (item === null) break;
        await simple.put(item.toUpperCase());
      }
      for (let i = 0; i < 5; i++) {
        await tasks.get();
        tasks.taskDone();
      }
      queue.putNowait('one');
      try {
        queue.putNowait('two');
      } catch ({ code }) {
        await simple.put(code);
      }
      const own = new truefork.Queue();
      await own.put(new Map([['from', 'there']]));
      await connection.send(own);
      await connection.recv();
    `);
    const queue = new Queue(1);
    const tasks = new JoinableQueue();
    const simple = new SimpleQueue();
    await connection.send([queue, tasks, simple]);
    for (const item of ['a', 'b', 'x'.repeat(3_000_000), null]) await queue.put(item);
    assert.deepEqual([await simple.get(), await simple.get()], ['A', 'B']);
    assert.equal(((await simple.get()) as string).length, 3_000_000);
    for (let i = 0; i < 5; i++) await tasks.put(i);
    assert.equal(await tasks.join(20_000), true);
    assert.equal(await simple.get(), 'ERR_TRUEFORK_FULL');
    assert.equal(await queue.get(), 'one');
    const theirs = (await connection.recv()) as Queue;
    assert.deepEqual(await theirs.get(), new Map([['from', 'there']]));
    await connection.send('done');
    await end();
    // It goes on without the one who has made it.
    await theirs.put(1);
    await succeeds(async () => assert.equal(await theirs.get(), 1));
  },

  async 'a program that is killed with tasks'() {
    const [connection, , other] = await stranger(`
      const tasks = await connection.recv();
      await tasks.get();
      await connection.send('has one');
      await tasks.get();
      await tasks.get();
    `);
    const tasks = new JoinableQueue();
    await connection.send(tasks);
    await tasks.put(1);
    await tasks.put(2);
    assert.equal(await connection.recv(), 'has one');
    await until(() => tasks.empty());
    other.kill('SIGKILL');
    await assert.rejects(tasks.join(20_000), { code: 'ERR_TRUEFORK_TASKS_LOST' });
    await tasks.put(3);
    assert.equal(await tasks.get(), 3);
  },

  async 'locks, values and connections go through queues'() {
    for (const queue of [new Queue(), new Queue(3), new SimpleQueue(), new JoinableQueue()]) {
      const child = started(async () => {
        const { lock, value, theirs } = (await queue.get()) as Sent;
        for (let i = 0; i < 500; i++) lock.withSync(() => (value.value += 1));
        await theirs.send('done');
      });
      const [ours, theirs] = Pipe();
      const lock = new Lock();
      const value = new Value('i');
      await queue.put({ lock, value, theirs });
      for (let i = 0; i < 500; i++) lock.withSync(() => (value.value += 1));
      assert.equal(await ours.recv(), 'done');
      assert.equal(await child.join(), 0);
      assert.equal(value.value, 1000);
    }
  },

  async 'and through pools'() {
    await using pool = new Pool(2);
    const add = (value: Value<'i'>, lock: Lock): Value<'i'> => {
      lock.withSync(() => (value.value += 1));
      return value;
    };
    await pool.apply(() => {});
    const [value, lock] = [new Value('i'), new Lock()];
    const values = await pool.starmap(
      add,
      Array.from({ length: 20 }, () => [value, lock]),
    );
    assert.equal(value.value, 20);
    assert.ok(values.every((each) => each.value === 20));
    const queue = new Queue();
    await pool.map((each) => queue.put(each), [1, 2, 3]);
    const put = (each: Queue, item: number): Promise<void> => each.put(item);
    const late = new Queue();
    await pool.starmap(
      put,
      [1, 2, 3].map((item) => [late, item]),
    );
    assert.deepEqual([queue.qsize(), late.qsize()], [3, 3]);
  },

  async 'and queues through managers'() {
    using manager = Manager();
    const shared = manager.dict<{ queue: Queue }>();
    const child = started(async () => {
      await until(() => 'queue' in shared);
      await shared.queue.put('through shared memory');
    });
    const queue = new Queue();
    shared.queue = queue;
    assert.equal(await queue.get(), 'through shared memory');
    assert.equal(shared.queue, queue);
    assert.equal(await child.join(), 0);
  },

  async 'whose sender has ended'() {
    const queue = new Queue();
    await succeeds(async () => {
      await queue.put([new Lock()]);
      await queue.put('next');
    });
    await assert.rejects(queue.get(), { code: 'ERR_TRUEFORK_HANDLE_LOST' });
    assert.equal(await queue.get(), 'next');
    await succeeds(() => queue.putSync(new DupFd(0)));
    assert.throws(() => queue.getSync(), { code: 'ERR_TRUEFORK_HANDLE_LOST' });
    assert.throws(() => queue.getNowait(), Empty);
  },

  async 'what is not put leaves nothing open'() {
    const queue = new Queue(1);
    const simple = new SimpleQueue({ size: 4096 });
    const [reader, writer] = pipe();
    const handle = new DupFd(reader);
    await queue.put(handle);
    ((await queue.get()) as DupFd).close();
    await queue.put('full');
    const before = countDescriptors();
    for (let i = 0; i < 3; i++) {
      assert.throws(() => queue.putNowait(handle), Full);
      await assert.rejects(queue.put(handle, 1), Full);
      await assert.rejects(queue.put(handle, 0), Full);
      const waiting = queue.put(handle, { signal: AbortSignal.timeout(20) });
      assert.throws(() => queue.putSync(handle, 1), Full);
      await assert.rejects(waiting, { name: 'AbortError' });
      await assert.rejects(queue.put([handle, () => {}]), { code: 'ERR_TRUEFORK_NOT_CLONABLE' });
    }
    while (hasRoom(simple));
    await assert.rejects(simple.put(handle, 1), Full);
    const waiting = queue.put(handle);
    queue.close();
    await assert.rejects(waiting, { code: 'ERR_TRUEFORK_CLOSED' });
    // Descriptors that were garbage before may have gone meanwhile.
    assert.ok(countDescriptors() <= before);
    handle.close();
    void writer;
  },

  'queues that are garbage leave nothing open': {
    async run() {
      const [a, b] = Pipe();
      a.sendSync(new Queue());
      b.recvSync();
      const before = [countDescriptors(), countSharedMappings()] as const;
      for (let i = 0; i < 50; i++) {
        a.sendSync([new Queue(), new SimpleQueue(), new JoinableQueue(1)]);
        b.recvSync();
      }
      await until(() => {
        gc();
        return countDescriptors() <= before[0] + 3 && countSharedMappings() <= before[1] + 3;
      });
    },
    options: { nodeArgs: ['--expose-gc'] },
  },

  async 'where too many descriptors are in use'() {
    if (spawnSync('prlimit', ['--pid', `${process.pid}`, '--nofile=80:']).status !== 0) return;
    const queues = Array.from({ length: 60 }, () => new Queue());
    const last = queues.at(-1)!;
    await last.put(1);
    await succeeds(async () => assert.equal(await last.get(), 1));
    const [a, b] = Pipe();
    const error = { code: 'ERR_TRUEFORK_NOT_SHAREABLE', message: /too many descriptors/ };
    await assert.rejects(a.send(last), error);
    await a.send(queues[0]);
    assert.equal(b.recvSync(), queues[0]);
  },

  async 'where no large file may be written'() {
    if (spawnSync('prlimit', ['--pid', `${process.pid}`, '--fsize=100000']).status !== 0) return;
    const queue = new Queue();
    await queue.put('x'.repeat(1_000_000));
    await succeeds(async () => assert.equal(((await queue.get()) as string).length, 1_000_000));
    const array = new SharedArray('i', 200_000);
    await succeeds(() => void (array[199_999] = 1));
    assert.equal(array[199_999], 1);
  },
};

function hasRoom(queue: SimpleQueue): boolean {
  try {
    queue.putSync('x'.repeat(100), 0);
    return true;
  } catch {
    return false;
  }
}
