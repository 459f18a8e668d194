// Calls inside of calls, calls of several processes at once, and managers of several classes.
import assert from 'node:assert/strict';
import {
  asyncProxy,
  BaseManager,
  BaseProxy,
  callMethod,
  getValue,
  inChild,
  Manager,
  Pipe,
  Pool,
  RawArray,
  Queue,
  SyncManager,
} from 'truefork';
import { countDescriptors } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { inGoodChild, misuse, started, withManager } from './support.js';

type AnyDict = Record<string, unknown>;

class CounterA {
  count(): string {
    return 'a';
  }
}

class CounterB {
  count(): string {
    return 'b';
  }
}

class ProxyA extends BaseProxy {
  count(): string {
    return `A sees ${String(this.callMethod('count'))}`;
  }
}

class ProxyB extends BaseProxy {
  count(): string {
    return `B sees ${String(this.callMethod('count'))}`;
  }
}

interface Counter {
  count(): string;
}

class ManagerA extends SyncManager {
  declare Counter: () => Counter;
}
class ManagerB extends SyncManager {
  declare Counter: () => Counter;
}
class HeirOfA extends ManagerA {}
class Plain extends BaseManager {
  declare Counter: () => Counter;
}
ManagerA.register('Counter', CounterA, { proxyType: ProxyA });
ManagerB.register('Counter', CounterB, { proxyType: ProxyB });
Plain.register('Counter', CounterA);

function double(x: number): number {
  return x * 2;
}

function triple(x: number): number {
  return x * 3;
}

ManagerA.registerFunction(double, 'work');
ManagerA.registerFunction(triple, 'more');
ManagerB.registerFunction(triple, 'work');
ManagerB.registerFunction(double, 'less');

/** A value whose parts ask the same manager while it is written. */
function asking<T>(ask: () => T): { readonly answer: T } {
  return {
    get answer() {
      return ask();
    },
  };
}

class Liar {
  lie(): never {
    const look = (): never => {
      throw new Error('do not look');
    };
    throw Object.defineProperties(new Error(), { message: { get: look }, stack: { get: look } });
  }

  async lieLater(): Promise<never> {
    return this.lie();
  }
}

class Liars extends SyncManager {
  declare Liar: () => Liar;
}
Liars.register('Liar', Liar);

export const scenarios: Scenarios = {
  async 'a method that throws what cannot be looked at'() {
    const manager = new Liars().start();
    const liar = manager.Liar();
    const isError = (error: unknown): boolean => error instanceof Error;
    assert.throws(() => liar.lie(), isError);
    await assert.rejects(asyncProxy(liar).lie(), isError);
    await assert.rejects(asyncProxy(liar).lieLater(), isError);
    assert.equal(manager.list([1]).length, 1);
    await manager.shutdown();
    assert.equal(await manager.join(), 0);
  },

  async 'values that ask the same manager while they are written'() {
    await withManager(async (manager) => {
      const d = manager.dict<AnyDict>({ z: 'z'.repeat(100) });
      const l = manager.list<unknown>();
      d['x'] = asking(() => d['z']);
      assert.deepEqual(d['x'], { answer: d['z'] });
      const z = d['z'];
      l.push(1);
      assert.equal(
        l.push(
          asking(() => l.at(0)),
          asking(() => l.length),
        ),
        3,
      );
      assert.deepEqual(getValue(l), [1, { answer: 1 }, { answer: 1 }]);
      await asyncProxy(d).set(
        'y',
        asking(() => d['z']),
      );
      assert.deepEqual(d['y'], { answer: z });
      const both = await Promise.all([
        asyncProxy(l).push(asking(() => void asyncProxy(d).set('first', 1))),
        asyncProxy(d).get('first'),
      ]);
      assert.deepEqual(both, [4, 1]);
      const map = manager.map([['k', 1]]);
      map.set('deep', asking(() => asking(() => map.get('k')) as never) as never);
      assert.deepEqual(map.get('deep'), { answer: { answer: 1 } });
      const trap = new Proxy(
        { a: 1 },
        { get: (target, key) => d['z'] && Reflect.get(target, key) },
      );
      callMethod(d, 'update', { w: asking(() => [...l].length) });
      assert.deepEqual(d['w'], { answer: 4 });
      assert.throws(() => (d['trap'] = trap), misuse('NOT_CLONABLE'));
      assert.equal('trap' in d, false);
      assert.equal(l.length, 4);
    });
  },

  async 'the first call of a process asks the manager while it is written'() {
    await withManager(async (manager) => {
      const d = manager.dict<AnyDict>({ z: 1 });
      await inGoodChild(() => (d['sync'] = asking(() => d['z'])));
      await inGoodChild(() =>
        asyncProxy(d).set(
          'async',
          asking(() => d['z']),
        ),
      );
      assert.deepEqual(getValue(d), { z: 1, sync: { answer: 1 }, async: { answer: 1 } });
    });
  },

  async 'values that fork, or write to somewhere else, while they are written'() {
    await withManager(async (manager) => {
      const d = manager.dict<AnyDict>({ z: 1 });
      const [a, b] = Pipe();
      const queue = new Queue();
      d['x'] = asking(() => {
        a.sendSync([d]);
        queue.putNowait({ d });
        return 'sent';
      });
      assert.deepEqual(d['x'], { answer: 'sent' });
      assert.equal(((await b.recv()) as AnyDict[])[0], d);
      assert.equal(((await queue.get()) as { d: AnyDict }).d, d);
      let child: ReturnType<typeof started> | undefined;
      d['y'] = asking(() => {
        child = started(() => (d['child'] = d['z']));
        return child.pid;
      });
      assert.equal(await child!.join(), 0);
      assert.deepEqual(d['y'], { answer: child!.pid });
      assert.equal(d['child'], 1);
    });
  },

  async 'values that cannot be written leave nothing behind'() {
    await withManager(async (manager) => {
      const l = manager.list<unknown>();
      const big = new RawArray('B', 100_000);
      const bad = {
        get x(): never {
          throw new RangeError('not me');
        },
      };
      const attempt = async (): Promise<void> => {
        assert.throws(() => l.push([big], () => {}), misuse('NOT_CLONABLE'));
        assert.throws(() => l.push([big], bad));
        await assert.rejects(
          asyncProxy(l).push([big], () => {}),
          misuse('NOT_CLONABLE'),
        );
      };
      await attempt();
      const before = countDescriptors();
      for (let i = 0; i < 20; i++) await attempt();
      assert.ok(countDescriptors() <= before, `${countDescriptors()} and not ${before}`);
      assert.equal(l.length, 0);
    });
  },

  async 'a list that is sorted while others append to it'() {
    await withManager(async (manager) => {
      const list = manager.list<number>(Array.from({ length: 200 }, (_, i) => i));
      const child = started(() => {
        for (let i = 0; i < 1000; i++) list.push(1000 + i);
      });
      while (child.isAlive()) {
        list.sort((a, b) => b - a);
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(child.exitcode, 0);
      assert.equal(list.length, 1200);
      assert.equal(new Set(list).size, 1200);
      list.sort((a, b) => a - b);
      assert.deepEqual([...list.slice(0, 3), list.at(-1)], [0, 1, 2, 1999]);
    });
  },

  async 'a list that is changed each time that it is sorted'() {
    await withManager((manager) => {
      const list = manager.list([3, 1, 2]);
      let changes = 0;
      const change = (): void => {
        if (changes++ < 2) list[0]! += 10;
      };
      list.sort((a, b) => (change(), a - b));
      assert.deepEqual(getValue(list), [1, 2, 23]);
      changes = -1e9;
      assert.throws(() => {
        list.sort((a, b) => (change(), a - b));
      }, misuse('CONFLICT'));
      assert.equal(list.length, 3);
      assert.throws(() => {
        list.sort(5 as never);
      }, TypeError);
      const odd = manager.list<unknown>([undefined, 'b', undefined, 'a']);
      odd.sort((a, b) => (String(a) < String(b) ? -1 : 1));
      assert.deepEqual(getValue(odd), ['a', 'b', undefined, undefined]);
      for (const order of [
        [0],
        'x',
        new Uint32Array([0, 0]),
        new Uint32Array([7]),
        new Uint32Array(9),
      ]) {
        const [version] = callMethod(list, 'readVersion') as [number];
        assert.throws(() => callMethod(list, 'permute', version, order), TypeError);
      }
    });
  },

  async 'what changes a map or a list is never done to a copy'() {
    await withManager((manager) => {
      const map = manager.map<string, number>([['a', 1]]) as Map<string, number> & {
        getOrInsert(key: string, value: number): number;
        getOrInsertComputed(key: string, compute: (key: string) => number): number;
      };
      assert.equal(map.getOrInsert('a', 2), 1);
      assert.equal(map.getOrInsert('b', 2), 2);
      assert.equal(
        map.getOrInsertComputed('c', (key) => key.length),
        1,
      );
      assert.deepEqual(
        getValue(map),
        new Map([
          ['a', 1],
          ['b', 2],
          ['c', 1],
        ]),
      );
      const list = manager.list([1, 2, 3]) as unknown as Record<string, unknown>;
      const copied = Object.getOwnPropertyNames(Array.prototype).filter((name) => {
        const before = JSON.stringify(list);
        const method = list[name];
        if (typeof method !== 'function' || name === 'constructor') return false;
        const args = name === 'with' ? [0, 9] : [() => 1, 0, 1];
        try {
          Reflect.apply(method, list, args);
        } catch {
          return false;
        }
        const array = JSON.parse(before) as unknown[];
        Reflect.apply(Reflect.get(array, name) as () => unknown, array, args);
        const hasChanged = JSON.stringify(array) !== before;
        return hasChanged && JSON.stringify(list) === before;
      });
      assert.deepEqual(copied, []);
    });
  },

  async 'proxies are of the class that the manager has'() {
    const [a, b, heir, plain] = [new ManagerA(), new ManagerB(), new HeirOfA(), new Plain()];
    for (const manager of [a, b, heir, plain]) manager.start();
    const counters = [a, b, heir, plain].map((manager) => manager.Counter());
    assert.deepEqual(
      counters.map((counter) => counter.count()),
      ['A sees a', 'B sees b', 'A sees a', 'a'],
    );
    assert.ok(counters[0] instanceof ProxyA && counters[1] instanceof ProxyB);
    assert.ok((await b.createAsync('Counter')) instanceof ProxyB);
    const list = a.list<unknown>(counters);
    assert.deepEqual(
      list.map((counter) => (counter as Counter).count()),
      ['A sees a', 'B sees b', 'A sees a', 'a'],
    );
    // Another class at the same server.
    const guest = await new ManagerB({ address: a.address }).connect();
    assert.equal(guest.Counter().count(), 'B sees a');
    assert.equal(a.Counter().count(), 'A sees a');
    assert.equal(await inChild(() => b.Counter().count()), 'B sees b');
    for (const manager of [a, b, heir, plain]) await manager.shutdown();
  },

  async 'functions are of the class that the manager has'() {
    const [a, b, heir] = [new ManagerA(), new ManagerB(), new HeirOfA()];
    for (const manager of [a, b, heir]) manager.start();
    for (const [manager, names] of [
      [a, ['work', 'more']],
      [b, ['less', 'work']],
      [heir, ['work', 'more']],
    ] as const) {
      const pool = manager.Pool(1);
      assert.equal(await pool.apply(double, [5]), 10);
      assert.deepEqual(await pool.map(triple, [1, 2]), [3, 6]);
      assert.equal(await pool.apply(names[0], [5]), 10);
      assert.equal(pool.applySync(names[1], [5]), 15);
      pool.terminate();
    }
    for (const manager of [a, b, heir]) await manager.shutdown();
  },

  async 'two servers in one process have functions of their own'() {
    const [ours, theirs] = Pipe();
    const both = started(async () => {
      const servers = [new ManagerA().getServer(), new ManagerB().getServer()];
      const serving = servers.map((server) => server.serveForever());
      theirs.sendSync(servers.map(({ address }) => address));
      await theirs.recv();
      for (const server of servers) server.stop();
      await Promise.all(serving);
    });
    const [first, second] = (await ours.recv()) as string[];
    const a = await new ManagerA({ address: first }).connect();
    const b = await new ManagerB({ address: second }).connect();
    const pools = [a.Pool(1), b.Pool(1)];
    const results = await Promise.all(pools.map((pool) => pool.apply('work', [5])));
    assert.deepEqual(results, [10, 15]);
    assert.deepEqual([a.Counter().count(), b.Counter().count()], ['A sees a', 'B sees b']);
    for (const pool of pools) {
      pool.terminate();
      await pool.join();
    }
    await ours.send('end');
    assert.equal(await both.join(), 0);
  },

  async 'proxies in a pool of this process'() {
    using manager = Manager();
    await using pool = new Pool(2);
    const lock = manager.RLock();
    const d = manager.dict<{ n: number }>({ n: 0 });
    await pool.map(
      () => Promise.all([lock.with(async () => (d.n += 1)), lock.with(async () => (d.n += 1))]),
      Array.from({ length: 10 }, (_, i) => i),
    );
    assert.equal(d.n, 20);
  },
};
