// Functions are not sent: workers are forks that have them, and what they see.
import assert from 'node:assert/strict';
import { Event, Pool, SharedArray, Value } from 'truefork';
import { sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { caught, finish, leavesNothing, range, square } from './support.js';

// With --expose-gc.
declare const gc: () => void;

/** A function that nobody can clone, so that what has it was not sent. */
interface Item {
  n: number;
  get: () => number;
}

function item(n: number): Item {
  return { n, get: () => n };
}

export const scenarios: Scenarios = {
  async 'a closure sees the values of the moment when it was submitted'() {
    const pool = new Pool(2);
    let value = 'first';
    const results = [pool.apply(() => value)];
    await results[0];
    value = 'second';
    results.push(
      pool.apply(() => value),
      pool.applyAsync(() => value).get(),
    );
    setImmediate(() => (value = 'third'));
    assert.deepEqual(await Promise.all(results), ['first', 'second', 'second']);
    assert.equal(
      pool.applySync(() => value),
      'third',
    );
    await finish(pool);
  },

  async 'a function that is known keeps what it saw'() {
    const pool = new Pool(1);
    let value = 1;
    const get = (): number => value;
    assert.equal(await pool.apply(get), 1);
    value = 2;
    assert.equal(await pool.apply(get), 1);
    assert.equal(await pool.apply(() => get()), 2);
    assert.equal(pool.statistics().forks, 2);
    await finish(pool);
  },

  'it sees them also if all are busy then': () =>
    leavesNothing(async () => {
      const pool = new Pool(2);
      const gate = new Event();
      const busy = [pool.apply(() => gate.wait()), pool.apply(() => gate.wait())];
      await until(() => pool.statistics().workers.length === 2);
      let value = 'submitted';
      const late = pool.map(() => [value, process.pid], range(6), 1);
      await sleep(0);
      value = 'changed';
      await sleep(20);
      assert.equal(pool.statistics().workers.length, 4);
      gate.set();
      assert.deepEqual(await Promise.all(busy), [true, true]);
      const seen = await late;
      assert.deepEqual(
        seen.map(([what]) => what),
        Array(6).fill('submitted'),
      );
      await finish(pool);
    }),

  async 'not more run than the pool has processes'() {
    const pool = new Pool(2);
    const running = new Value('i');
    const most = new Value('i');
    const work = async (): Promise<void> => {
      const now = running.add(1) + 1;
      for (let seen = most.value; now > seen; seen = most.value) {
        most.compareExchange(seen, now);
      }
      await sleep(10);
      running.add(-1);
    };
    const results: Promise<unknown>[] = [];
    for (let i = 0; i < 10; i++) {
      results.push(
        pool.apply(() => work()),
        pool.map(() => work(), range(3)),
      );
      await sleep(3);
    }
    await Promise.all(results);
    assert.equal(most.value, 2);
    await finish(pool);
  },

  async 'so many wait as the pool has processes; what comes later sees what is there when its turn comes'() {
    const pool = new Pool(1);
    const gate = new Event();
    const busy = pool.apply(() => gate.wait());
    await until(() => pool.statistics().workers.length === 1);
    let value = 1;
    const results: Promise<number>[] = [];
    for (; value <= 3; value++) {
      results.push(pool.apply(() => value));
      await sleep(0);
    }
    assert.equal(pool.statistics().workers.length, 2);
    gate.set();
    await busy;
    assert.deepEqual(await Promise.all(results), [1, 4, 4]);
    await finish(pool);
  },

  async 'functions of one turn share their forks'() {
    const pool = new Pool(2);
    const values = await Promise.all(range(50).map((i) => pool.apply(() => i)));
    assert.deepEqual(values, range(50));
    assert.equal(pool.statistics().forks, 2);
    await finish(pool);
  },

  async 'as few forks as needed'() {
    const pool = new Pool(4);
    await pool.apply(square, [1]);
    assert.equal(pool.statistics().forks, 1);
    await pool.map(square, range(100), 1);
    const { forks } = pool.statistics();
    assert.ok(forks <= 4);
    await pool.apply(() => 1);
    assert.equal(pool.statistics().forks, forks + 1);
    for (let i = 0; i < 500; i++) await pool.apply(square, [i]);
    await pool.map(square, range(10_000), 1);
    assert.ok(pool.statistics().forks <= forks + 4, 'a function that is known needs none');
    const { forks: last } = pool.statistics();
    await pool.map(square, range(10_000), 1);
    assert.equal(pool.statistics().forks, last);
    await finish(pool);
  },

  async 'old and new functions in turn'() {
    const pool = new Pool(2);
    let generation = 0;
    const known = [...range(5)].map((i) => () => i);
    for (const fn of known) await pool.apply(fn);
    const { forks } = pool.statistics();
    for (let round = 0; round < 20; round++) {
      for (const [i, fn] of known.entries()) assert.equal(await pool.apply(fn), i);
    }
    assert.ok(pool.statistics().forks <= forks + 1);
    for (generation = 1; generation < 20; generation++) {
      const values = await Promise.all([pool.apply(() => generation), pool.apply(known[0]!)]);
      assert.deepEqual(values, [generation, 0]);
    }
    await finish(pool);
  },

  async 'all kinds of functions'() {
    class Counter {
      readonly #by = 3;
      static twice(x: number): number {
        return x * 2;
      }
      add(x: number): number {
        return x + this.#by;
      }
    }
    const pool = new Pool(2);
    assert.deepEqual(await pool.map(Math.sqrt, [4, 9]), [2, 3]);
    assert.deepEqual(await pool.map(Number, ['1', '0x10']), [1, 16]);
    assert.deepEqual(await pool.map(parseInt, ['1', '2', '3']), [1, 2, 3]);
    const counter = new Counter();
    assert.deepEqual(await pool.map(counter.add.bind(counter), [1, 2]), [4, 5]);
    assert.deepEqual(await pool.map(Counter.twice, [1, 2]), [2, 4]);
    assert.deepEqual(await pool.map(async (x: number) => x, [1, 2]), [1, 2]);
    // oxlint-disable-next-line unicorn/no-thenable -- whatever await takes
    const thenable = (): unknown => ({ then: (done: (n: number) => void) => done(7) });
    assert.equal(await pool.apply(thenable), 7);
    await finish(pool);
  },

  async 'a map with a new function has its items without sending them'() {
    const pool = new Pool(2);
    const items = range(20).map(item);
    const get = (one: Item): number => one.get();
    assert.deepEqual(await pool.map(get, items), range(20));
    assert.deepEqual(await pool.map((one) => one.get(), items, 3), range(20));
    assert.deepEqual(
      await pool.starmap(
        (one, n) => one.get() + n,
        items.map((one): [Item, number] => [one, 1]),
      ),
      range(20).map((i) => i + 1),
    );
    assert.deepEqual(
      await pool.map((one) => one.get(), items, { settle: true, chunksize: 3 }),
      range(20).map((value) => ({ status: 'fulfilled', value })),
    );
    // Workers know this one: they were forked before there was this list.
    const error = await caught(
      pool.map(
        get,
        items.map(({ n }) => item(n)),
      ),
    );
    assert.equal((error as NodeJS.ErrnoException).code, 'ERR_TRUEFORK_NOT_CLONABLE');
    assert.deepEqual(await pool.map(square, [3]), [9]);
    await finish(pool);
  },

  async 'what becomes of the list after the call does not matter'() {
    const pool = new Pool(2);
    const items = range(10);
    const result = pool.map((x) => x + 1, items, 1);
    items.fill(100);
    items.length = 5;
    assert.deepEqual(
      await result,
      range(10).map((x) => x + 1),
    );
    await finish(pool);
  },

  async 'what closures refer to is not copied'() {
    const pool = new Pool(2);
    const corpus = range(50_000).map((i) => ({ i, text: `text ${i}`, fn: () => i }));
    const lengths = await pool.map((part) => {
      let sum = 0;
      for (let i = part * 5000; i < (part + 1) * 5000; i++) sum += corpus[i]!.fn();
      return sum;
    }, range(10));
    assert.equal(
      lengths.reduce((a, b) => a + b),
      (49_999 * 50_000) / 2,
    );
    await finish(pool);
  },

  'functions and their tasks are forgotten': {
    async run() {
      const pool = new Pool(2);
      const alive: WeakRef<object>[] = [];
      for (let i = 0; i < 20; i++) {
        const data = { big: new Uint8Array(1000), i };
        const items = [data, data];
        alive.push(new WeakRef(data), new WeakRef(items));
        assert.deepEqual(await pool.map((one) => one.i + data.i, items), [2 * i, 2 * i]);
      }
      await sleep(1);
      gc();
      const left = alive.filter((reference) => reference.deref() !== undefined).length;
      assert.ok(left <= 4, `${left} of ${alive.length} are there`);
      await finish(pool);
    },
    options: { nodeArgs: ['--expose-gc'] },
  },

  async 'each task is run once, whoever gets it'() {
    const pool = new Pool(3);
    const n = 3000;
    const runs = new SharedArray('i', n);
    const work = (i: number): number => {
      Atomics.add(runs as unknown as Int32Array, i, 1);
      // Some are long, so that others are taken back from their worker.
      if (i % 500 === 0) for (const end = performance.now() + 20; performance.now() < end;);
      return i;
    };
    assert.deepEqual(await pool.map(work, range(n), 1), range(n));
    assert.deepEqual([...runs], Array(n).fill(1));
    const second = pool.map((i: number) => work(i), range(n), 1);
    const third = Promise.all(range(200).map((i) => pool.apply(work, [i])));
    await Promise.all([second, third]);
    assert.deepEqual([...runs], [...Array<number>(200).fill(3), ...Array<number>(n - 200).fill(2)]);
    await finish(pool);
  },

  async 'a long task does not hold up those behind it'() {
    const pool = new Pool(2);
    const gate = new Event();
    const work = (i: number): Promise<boolean> | number => (i === 100 ? gate.wait() : i);
    const results = range(300).map((i) => pool.applyAsync(work, [i]));
    const others = results.filter((_, i) => i !== 100);
    await Promise.all(others);
    assert.equal(results[100]!.ready(), false);
    gate.set();
    assert.equal(await results[100], true);
    await finish(pool);
  },
};
