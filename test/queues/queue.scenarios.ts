import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { Empty, Event, Full, Lock, Process, Queue, SharedMemory } from 'truefork';
import { countSharedMappings, sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { isSettled, misuse, started, succeeds, untilWaiting } from '../synchronize/support.js';

function fill(queue: Queue, count: number): void {
  for (let i = 1; i <= count; i++) queue.putSync(i);
}

export const scenarios: Scenarios = {
  async 'put in all forms, until it is full'() {
    const queue = new Queue(6);
    const mayGo = new Event();
    const hasGot = new Event();
    const child = started(async () => {
      assert.equal(await mayGo.wait(20_000), true);
      for (let i = 1; i <= 6; i++) assert.equal(queue.getSync(), i);
      hasGot.set();
    });
    assert.equal(queue.empty(), true);
    assert.equal(queue.full(), false);
    await queue.put(1);
    assert.equal(queue.empty(), false);
    await queue.put(2, 1000);
    await queue.put(3, { timeout: Infinity });
    queue.putSync(4);
    queue.putSync(5, { timeout: 0 });
    queue.putNowait(6);
    assert.equal(queue.empty(), false);
    assert.equal(queue.full(), true);
    const full = { name: 'Full', code: 'ERR_TRUEFORK_FULL', message: 'the queue is full' };
    await assert.rejects(queue.put(7, 0), full);
    await assert.rejects(queue.put(7, 10), full);
    await assert.rejects(queue.put(7, { timeout: 10 }), Full);
    assert.throws(() => queue.putSync(7, 0), full);
    assert.throws(() => queue.putSync(7, { timeout: 10 }), full);
    assert.throws(() => queue.putNowait(7), full);
    mayGo.set();
    assert.equal(await hasGot.wait(20_000), true);
    assert.equal(queue.empty(), true);
    assert.equal(queue.full(), false);
    assert.equal(await child.join(), 0);
  },

  async 'get in all forms, until it is empty'() {
    const queue = new Queue();
    const child = started(() => fill(queue, 6));
    assert.equal(await child.join(), 0);
    assert.equal(await queue.get(), 1);
    assert.equal(await queue.get(1000), 2);
    assert.equal(await queue.get({ timeout: 0 }), 3);
    assert.equal(queue.getSync(), 4);
    assert.equal(queue.getSync({ timeout: 1000 }), 5);
    assert.equal(queue.getNowait(), 6);
    const empty = { name: 'Empty', code: 'ERR_TRUEFORK_EMPTY', message: 'the queue is empty' };
    await assert.rejects(queue.get(0), empty);
    await assert.rejects(queue.get(10), Empty);
    assert.throws(() => queue.getSync(10), empty);
    assert.throws(() => queue.getSync({ timeout: -1 }), empty);
    assert.throws(() => queue.getNowait(), empty);
  },

  async 'a child puts behind what its parent has put'() {
    const queue = new Queue<number>();
    for (let i = 0; i < 10; i++) await queue.put(i);
    await succeeds(() => {
      for (let i = 10; i < 20; i++) queue.putSync(i);
    });
    for (let i = 0; i < 20; i++) assert.equal(await queue.get(), i);
    assert.throws(() => queue.getNowait(), Empty);
  },

  async 'counts its items'() {
    const queue = new Queue();
    const sizes = [queue.qsize()];
    await queue.put(1);
    sizes.push(queue.qsize());
    queue.putSync(5);
    sizes.push(queue.qsize());
    await queue.get();
    sizes.push(queue.qsize());
    await queue.get();
    sizes.push(queue.qsize());
    assert.deepEqual(sizes, [0, 1, 2, 1, 0]);
  },

  async 'all kinds of values'() {
    const queue = new Queue();
    const { buffer } = Float64Array.of(1, 2);
    const values = [
      undefined,
      null,
      true,
      0,
      -0,
      NaN,
      1.5e300,
      12n ** 40n,
      '',
      'ä€𝄞',
      'lone \ud800 surrogate',
      'x'.repeat(5000),
      'ü'.repeat(200_000),
      Buffer.alloc(0),
      Buffer.from('bytes'),
      Buffer.alloc(300_000, 'b'),
      Uint8Array.of(1, 2, 3),
      Float64Array.of(1.5, -2),
      new Uint16Array(100_000).fill(7),
      buffer,
      { a: [1, { b: new Map([[1, new Set(['x'])]]) }], c: undefined },
      new Date(0),
      /a.b/gi,
    ];
    for (const value of values) {
      queue.putSync(value);
      assert.deepEqual(queue.getSync(), value);
      const taken = queue.get();
      await queue.put(value);
      assert.deepEqual(await taken, value);
    }
    const cause = new RangeError('inner');
    await queue.put(new TypeError('outer', { cause }));
    const error = (await queue.get()) as Error;
    assert.ok(error instanceof TypeError);
    assert.ok(error.cause instanceof RangeError);
    using memory = new SharedMemory({ create: true, size: 10 });
    memory.buf.write('shared');
    await queue.put(memory);
    using same = (await queue.get()) as SharedMemory;
    assert.equal(same.buf.toString('utf8', 0, 6), 'shared');
    memory.unlink();
  },

  async 'what cannot be cloned throws from put, and takes no slot'() {
    for (const queue of [new Queue(1), new Queue()]) {
      const refused = { code: 'ERR_TRUEFORK_NOT_CLONABLE' };
      const values = [() => {}, Symbol('s'), [new Lock(), () => {}], [new URL('a:')]];
      for (const value of values) {
        assert.throws(() => queue.putSync(value), refused);
        await assert.rejects(queue.put(value), refused);
      }
      assert.equal(queue.qsize(), 0);
      assert.equal(queue.full(), false);
      await queue.put('after');
      assert.equal(await queue.get(), 'after');
    }
  },

  async 'the value is that of the call, whatever happens to it later'() {
    for (const queue of [new Queue<Buffer>(1), new Queue<Buffer>(0, { size: 4096 })]) {
      const bytes = Buffer.alloc(8000, 'a');
      const puts = [queue.put(bytes), queue.put(bytes)];
      bytes.fill('b');
      for (const put of puts) {
        assert.deepEqual(await queue.get(), Buffer.alloc(8000, 'a'));
        await put;
      }
    }
  },

  async 'tasks of a process get in the order in which they came'() {
    const queue = new Queue<number>();
    const order: string[] = [];
    const tasks = ['a', 'b', 'c'].map(async (name) => order.push(`${name}${await queue.get()}`));
    await untilWaiting();
    await succeeds(() => fill(queue, 3));
    await Promise.all(tasks);
    assert.deepEqual(order, ['a1', 'b2', 'c3']);
  },

  async 'tasks of a process put in the order in which they came'() {
    const queue = new Queue<number>(1);
    const puts = [1, 2, 3, 4].map((value) => queue.put(value));
    assert.equal(await isSettled(puts[1]!), false);
    assert.throws(() => queue.putSync(5, 10), Full);
    const child = started(() => {
      for (const value of [1, 2, 3, 4, 6]) assert.equal(queue.getSync(), value);
    });
    queue.putSync(6); // behind the others, of which no waiter thread is left to tell
    await Promise.all(puts);
    assert.equal(await child.join(), 0);
  },

  async 'aborted and timed out gets take nothing'() {
    const queue = new Queue<number>();
    const signal = AbortSignal.abort();
    await assert.rejects(queue.get({ signal }), { name: 'AbortError' });
    const echo = new Queue<number>();
    const child = started(async () => {
      for await (const value of queue) {
        if (value < 0) return;
        await echo.put(value);
      }
    });
    let next = 0;
    for (let round = 0; round < 300; round++) {
      const controller = new AbortController();
      const waits = [echo.get({ signal: controller.signal }), echo.get(round % 3)];
      const outcomes = Promise.allSettled(waits);
      queue.putSync(round);
      if (round % 2 === 0) await sleep(0);
      controller.abort();
      for (const outcome of await outcomes) {
        if (outcome.status === 'fulfilled') assert.equal(outcome.value, next++);
      }
    }
    while (next < 300) assert.equal(await echo.get(10_000), next++);
    queue.putSync(-1);
    assert.equal(await child.join(), 0);
    assert.equal(echo.empty(), true);
  },

  async 'aborted and timed out puts put nothing'() {
    const queue = new Queue<number>(1);
    const signal = AbortSignal.abort();
    await assert.rejects(queue.put(0, { signal }), { name: 'AbortError' });
    const unlimited = new Queue();
    await assert.rejects(unlimited.put(0, { signal }), { name: 'AbortError' });
    assert.equal(unlimited.qsize(), 0);
    const results = new Queue<number>();
    const expected: number[] = [];
    const reader = started(async () => {
      for (;;) {
        const value = await queue.get();
        if (value < 0) return;
        results.putSync(value);
      }
    });
    for (let round = 0; round < 200; round++) {
      const controller = new AbortController();
      const options = { signal: controller.signal };
      const puts = [queue.put(3 * round, options), queue.put(3 * round + 1, round % 3)];
      const outcomes = Promise.allSettled(puts);
      if (round % 2 === 0) await sleep(0);
      controller.abort();
      for (const [i, outcome] of (await outcomes).entries()) {
        if (outcome.status === 'fulfilled') expected.push(3 * round + i);
      }
    }
    await queue.put(-1);
    assert.equal(await reader.join(), 0);
    for (const value of expected) assert.equal(results.getNowait(), value);
    assert.equal(results.empty(), true);
  },

  async 'a blocking get takes over what an thread waits for'() {
    const queue = new Queue<number>();
    const task = queue.get();
    await untilWaiting();
    const child = started(async () => {
      await sleep(20);
      queue.putSync(1);
    });
    assert.equal(queue.getSync(10_000), 1);
    assert.equal(await isSettled(task), false);
    queue.putSync(2);
    assert.equal(await task, 2);
    assert.equal(await child.join(), 0);
  },

  async 'without a limit, put never waits'() {
    const queue = new Queue<string>(0, { size: 4096 });
    for (let i = 0; i < 500; i++) {
      if (i % 2 === 0) queue.putSync(`${i}`.repeat(i));
      else void queue.put(`${i}`.repeat(i));
    }
    assert.equal(queue.qsize(), 500);
    assert.equal(queue.full(), false);
    assert.equal(queue.empty(), false);
    const look = new Process({ target: () => process.exit(queue.qsize() === 500 ? 0 : 1) });
    look.start();
    assert.equal(await look.join(), 0);
    // Half of it while this thread is blocked.
    for (let i = 0; i < 250; i++) assert.equal(queue.getSync(10_000), `${i}`.repeat(i));
    for (let i = 250; i < 500; i++) assert.equal(await queue.get(), `${i}`.repeat(i));
    assert.equal(queue.empty(), true);
  },

  'empty at once after the last item, whoever had put it'() {
    for (let round = 0; round < 50; round++) {
      const queue = new Queue<string>(0, { size: 4096 });
      for (let i = 0; i < 10; i++) queue.putSync('x'.repeat(1000));
      for (let i = 0; i < 10; i++) queue.getSync();
      assert.equal(queue.qsize(), 0);
      assert.equal(queue.empty(), true);
    }
  },

  async 'an item of many times the size of the queue'() {
    const bytes = Buffer.alloc(1_000_003, 'long');
    const limited = new Queue<Buffer>(1, { size: 4096 });
    const child = started(async () => {
      assert.deepEqual(limited.getSync(), bytes);
      assert.deepEqual(await limited.get(), bytes);
    });
    limited.putSync(bytes);
    await limited.put(bytes);
    assert.equal(await child.join(), 0);
    assert.throws(() => limited.putSync(bytes, 20), Full);
    limited.putSync(Buffer.from('short'));
    assert.deepEqual(limited.getSync(), Buffer.from('short'));
    const unlimited = new Queue<Buffer>(0, { size: 4096 });
    unlimited.putSync(bytes);
    assert.deepEqual(unlimited.getSync(), bytes);
  },

  async 'async iteration ends when the queue is closed'() {
    const queue = new Queue<number>();
    fill(queue, 3);
    const values: number[] = [];
    for await (const value of queue) {
      values.push(value);
      if (value === 3) setTimeout(() => queue.close(), 10);
    }
    assert.deepEqual(values, [1, 2, 3]);
  },

  async closed() {
    const queue = new Queue(1);
    const other = new Queue();
    const waiting = [queue.get(), queue.get()];
    await untilWaiting();
    queue.close();
    queue.close();
    const closed = misuse('CLOSED', 'Queue <Queue qsize=0 maxsize=1 closed> is closed');
    for (const wait of waiting) await assert.rejects(wait, closed);
    assert.throws(() => queue.putSync(1), closed);
    assert.throws(() => queue.putNowait(1), closed);
    assert.throws(() => queue.getSync(), closed);
    assert.throws(() => queue.getNowait(), closed);
    await assert.rejects(queue.put(1), closed);
    await assert.rejects(queue.get(), closed);
    // As in Python: only one that was used knows.
    assert.equal(queue.empty(), true);
    other.putSync(1);
    const tooEarly = misuse('NOT_CLOSED', 'Queue <Queue qsize=1> not closed');
    assert.throws(() => other.joinThreadSync(), tooEarly);
    await assert.rejects(other.joinThread(), tooEarly);
    other.close();
    assert.throws(() => other.empty(), { code: 'ERR_TRUEFORK_CLOSED' });
    assert.equal(await other.joinThread(), true);
    assert.equal(other.joinThreadSync(), true);
  },

  async 'putting that waits ends with close'() {
    const queue = new Queue(1);
    queue.putSync(1);
    const waiting = queue.put(2);
    await untilWaiting();
    queue.close();
    await assert.rejects(waiting, { code: 'ERR_TRUEFORK_CLOSED' });
    await succeeds(() => assert.equal(queue.qsize(), 1));
  },

  async 'joinThread waits until all is in the queue'() {
    const queue = new Queue<Buffer>(0, { size: 4096 });
    for (let i = 0; i < 100; i++) queue.putSync(Buffer.alloc(1000, i));
    const child = started(async () => {
      for (let i = 0; i < 200; i++) assert.deepEqual(queue.getSync(), Buffer.alloc(1000, i % 100));
    });
    for (let i = 0; i < 100; i++) await queue.put(Buffer.alloc(1000, i));
    queue.close();
    await assert.rejects(queue.joinThread({ signal: AbortSignal.abort() }), { name: 'AbortError' });
    assert.equal(await queue.joinThread(), true);
    assert.equal(queue.joinThreadSync(0), true);
    assert.equal(await child.join(), 0);
  },

  async 'joinThread and time'() {
    const queue = new Queue<Buffer>(0, { size: 4096 });
    queue.putSync(Buffer.alloc(100_000));
    queue.close();
    assert.equal(await queue.joinThread(10), false);
    assert.equal(queue.joinThreadSync(10), false);
    queue.cancelJoinThread();
  },

  'arguments are checked'() {
    const range = { code: 'ERR_OUT_OF_RANGE' };
    const type = { code: 'ERR_INVALID_ARG_TYPE' };
    assert.throws(() => new Queue(1.5), range);
    assert.throws(() => new Queue(2 ** 31), range);
    assert.throws(() => new Queue('1' as never), type);
    assert.throws(() => new Queue(0, 5 as never), type);
    assert.throws(() => new Queue(0, { size: 100 }), range);
    assert.throws(() => new Queue(0, { size: 2 ** 33 }), range);
    assert.throws(() => new Queue(0, { size: '1' as never }), type);
    const queue = new Queue(-1, { size: 5000 });
    assert.throws(() => queue.getSync('1' as never), type);
    assert.throws(() => queue.putSync(1, { timeout: NaN }), type);
    fill(queue, 100);
    assert.equal(queue.full(), false);
  },

  'says what it is'() {
    const queue = new Queue(3);
    queue.putSync(1);
    assert.equal(String(queue), '<Queue qsize=1 maxsize=3>');
    assert.equal(inspect(new Queue()), '<Queue qsize=0>');
    queue.close();
    assert.equal(inspect(queue), '<Queue qsize=1 maxsize=3 closed>');
  },

  async 'using closes'() {
    const queue = new Queue();
    {
      using scope = queue;
      scope.putSync(1);
    }
    assert.throws(() => queue.getSync(), { code: 'ERR_TRUEFORK_CLOSED' });
    const other = new Queue<Buffer>(0, { size: 4096 });
    const child = started(() => assert.equal(other.getSync().length, 20_000));
    {
      await using scope = other;
      scope.putSync(Buffer.alloc(20_000));
    }
    assert.equal(await child.join(), 0);
  },

  'a queue that nobody has any more gives its memory back': {
    async run() {
      const before = countSharedMappings();
      for (let i = 0; i < 50; i++) new Queue().putSync(i);
      assert.ok(countSharedMappings() >= before + 50);
      for (let i = 0; i < 100 && countSharedMappings() > before + 2; i++) {
        (globalThis as { gc?: () => void }).gc!();
        await sleep(5);
      }
      assert.ok(countSharedMappings() <= before + 2);
    },
    options: { nodeArgs: ['--expose-gc'] },
  },
};
