// Dicts, lists, maps, sets, namespaces, values and arrays of a manager: the rows of _TestContainers
// and of TestSyncManagerTypes.
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { asyncProxy, callMethod, getValue, inChild } from 'truefork';
import { fork, waitpid, _exit } from 'truefork/posix';
import type { Scenarios } from '../support/scenarios.js';
import { inGoodChild, misuse, withManager } from './support.js';

export const scenarios: Scenarios = {
  async 'a dict reads like an object'() {
    await withManager((manager) => {
      const d = manager.dict<Record<string, unknown>>({
        count: 5,
        text: 'ä\ud83d\ude00',
        nothing: null,
      });
      (d['count'] as number) -= 1;
      assert.equal(d['count'], 4);
      assert.equal('count' in d, true);
      assert.equal('toString' in d, false);
      assert.equal(d['toString'], undefined);
      assert.deepEqual(Object.keys(d), ['count', 'text', 'nothing']);
      assert.deepEqual({ ...d }, { count: 4, text: 'ä\ud83d\ude00', nothing: null });
      d['__proto__'] = 1;
      d['constructor'] = 2;
      assert.equal(d['__proto__'], 1);
      assert.equal((d as object) instanceof Object, false);
      assert.equal(delete d['__proto__'] && delete d['constructor'] && delete d['never'], true);
      Object.assign(d, { a: [1, { b: 2 }], '': 3 });
      assert.deepEqual(d['a'], [1, { b: 2 }]);
      assert.deepEqual(getValue(d), {
        count: 4,
        text: 'ä\ud83d\ude00',
        nothing: null,
        a: [1, { b: 2 }],
        '': 3,
      });
      assert.equal(JSON.stringify(d), JSON.stringify(getValue(d)));
      const keys: string[] = [];
      for (const key in d) keys.push(key);
      assert.deepEqual(keys, ['count', 'text', 'nothing', 'a', '']);
      assert.equal(Object.hasOwn(d, 'a'), true);
      assert.equal(Object.hasOwn(d, 'b'), false);
      assert.throws(() => Reflect.set(d, Symbol('s'), 1), TypeError);
      assert.throws(() => (d['f'] = () => {}), misuse('NOT_CLONABLE'));
      assert.throws(() => Object.freeze(d), TypeError);
      assert.equal(inspect(manager.dict({ x: 1 })), 'DictProxy { x: 1 }');
      assert.equal(String(manager.dict({ x: 1 }) as unknown), 'DictProxy { x: 1 }');
    });
  },

  async 'a dict with a key that promises look for'() {
    await withManager(async (manager) => {
      const d = manager.dict<Record<string, number>>();
      for (const word of ['then', 'and', 'then']) d[word] = (d[word] ?? 0) + 1;
      assert.equal(await Promise.resolve(d), d);
      assert.equal(d['then'], 2);
      assert.equal(await asyncProxy(d).get('then'), 2);
    });
  },

  async 'a dict: what Python has methods for'() {
    await withManager((manager) => {
      const d = manager.dict([
        ['b', 1],
        ['a', 2],
      ]);
      assert.deepEqual(callMethod(d, 'keys'), ['b', 'a']);
      assert.deepEqual(callMethod(d, 'values'), [1, 2]);
      assert.deepEqual(callMethod(d, 'entries'), [
        ['b', 1],
        ['a', 2],
      ]);
      assert.equal(callMethod(d, 'pop', 'b'), 1);
      assert.equal(callMethod(d, 'pop', 'b', 'none'), 'none');
      assert.equal(callMethod(d, 'setDefault', 'c', 3), 3);
      assert.equal(callMethod(d, 'setDefault', 'c', 4), 3);
      callMethod(d, 'update', { d: 4, a: 0 });
      assert.deepEqual(callMethod(d, 'popItem'), ['d', 4]);
      assert.equal(callMethod(d, 'size'), 2);
      callMethod(d, 'clear');
      assert.equal(callMethod(d, 'popItem'), undefined);
      assert.deepEqual(getValue(d), {});
    });
  },

  async 'a list reads like an array'() {
    await withManager((manager) => {
      const l = manager.list<unknown>(Array.from({ length: 10 }, (_, i) => i));
      assert.equal(Array.isArray(l), true);
      assert.equal(l.length, 10);
      assert.deepEqual([...l], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      assert.deepEqual(l.slice(2, 5), [2, 3, 4]);
      assert.deepEqual(l.slice(-3), [7, 8, 9]);
      l[5] = 'five';
      assert.equal(l[5], 'five');
      assert.equal(l.at(-1), 9);
      assert.equal(l[10], undefined);
      assert.equal(l.push('a', 'b'), 12);
      assert.equal(l.pop(), 'b');
      assert.equal(l.shift(), 0);
      assert.equal(l.unshift('z'), 11);
      assert.deepEqual(l.splice(1, 2, 'x'), [1, 2]);
      assert.equal(l.includes('five') && l.indexOf('x') === 1 && !l.includes(17), true);
      const methods = l as unknown as Record<string, () => unknown>;
      assert.equal(Reflect.apply(methods['reverse']!, l, []), l);
      assert.deepEqual(getValue(l), ['a', 9, 8, 7, 6, 'five', 4, 3, 'x', 'z']);
      l.length = 3;
      assert.deepEqual(l.concat([1], 2), ['a', 9, 8, 1, 2]);
      assert.equal(Reflect.apply(methods['sort']!, l, []), l);
      assert.equal(l.join('-'), '8-9-a');
      assert.deepEqual(
        l.map((x) => typeof x),
        ['number', 'number', 'string'],
      );
      assert.equal(
        l.find((x) => x === 9),
        9,
      );
      l.sort((a, b) => String(b).localeCompare(String(a)));
      assert.deepEqual([...l], ['a', 9, 8]);
      assert.equal(l.fill(0), l);
      assert.deepEqual(Object.entries(l), [
        ['0', 0],
        ['1', 0],
        ['2', 0],
      ]);
      assert.equal(JSON.stringify(l), '[0,0,0]');
      assert.equal(1 in l, true);
      assert.equal(3 in l, false);
      assert.deepEqual(Object.keys(l), ['0', '1', '2']);
      assert.throws(() => l.push(() => {}), misuse('NOT_CLONABLE'));
      assert.throws(() => Reflect.set(l, 'name', 1) || assert.fail(), { code: 'ERR_ASSERTION' });
      assert.equal(inspect(l), 'ListProxy [ 0, 0, 0 ]');
      assert.equal(String(l), '0,0,0');
      l.length = 0;
      assert.equal(l.pop(), undefined);
      assert.deepEqual(l.toString(), '');
    });
  },

  async 'an iteration sees the elements as they are at its beginning'() {
    await withManager((manager) => {
      const l = manager.list([1, 2, 3]);
      const iterator = l[Symbol.iterator]();
      l[0] = 100;
      assert.equal(iterator.next().value, 100);
      for (const x of iterator) if (l.length < 10) l.push(x);
      assert.deepEqual([...l], [100, 2, 3, 2, 3]);
      assert.deepEqual([...iterator], []);
    });
  },

  async 'children change a list and a dict'() {
    await withManager(async (manager) => {
      const d = manager.dict();
      const l = manager.list([1, 2, 3]);
      await inGoodChild(() => {
        d['1'] = '1';
        d['2'] = 2;
        d['0.25'] = null;
        l.reverse();
      });
      assert.deepEqual(getValue(d), { 1: '1', 2: 2, 0.25: null });
      assert.deepEqual(getValue(l), [3, 2, 1]);
    });
  },

  async 'a fork that goes on has what its parent has'() {
    await withManager((manager) => {
      const d = manager.dict<Record<string, number>>({ x: 1 });
      const pid = fork();
      if (pid === 0) {
        d['child'] = process.pid;
        _exit(d['x']);
      }
      assert.equal(waitpid(pid)?.exitcode, 1);
      assert.equal(d['child'], pid);
    });
  },

  async 'namespaces keep what begins with an underscore to the process'() {
    await withManager(async (manager) => {
      const n = manager.Namespace<Record<string, unknown>>({ name: 'Bob', job: 'Builder' });
      n['_hidden'] = 'hidden';
      delete n['job'];
      assert.equal(String(n as unknown), `Namespace(name='Bob')`);
      assert.equal(n['_hidden'], 'hidden');
      assert.equal('_hidden' in n, true);
      assert.equal(n['job'], undefined);
      await inGoodChild(() => {
        n['x'] = n['_hidden'];
        n['_hidden'] = 'in the child';
      });
      assert.equal(n['x'], 'hidden');
      assert.equal(n['_hidden'], 'hidden');
      assert.deepEqual(Object.keys(n), ['name', 'x']);
    });
  },

  async 'maps and sets'() {
    await withManager(async (manager) => {
      const m = manager.map<unknown, unknown>([
        [1, 'one'],
        [null, { a: 1 }],
      ]);
      assert.equal(m.set(2n, 'two'), m);
      assert.equal(m.get(1), 'one');
      assert.equal(m.get('1'), undefined);
      assert.deepEqual(m.get(null), { a: 1 });
      assert.equal(m.size, 3);
      assert.deepEqual([...m.keys()], [1, null, 2n]);
      assert.equal(m.delete(null) && !m.has(null), true);
      assert.deepEqual(
        new Map(m),
        new Map<unknown, unknown>([
          [1, 'one'],
          [2n, 'two'],
        ]),
      );
      const s = manager.set(['a', 'b']);
      await inGoodChild(() => s.add('c').delete('a'));
      assert.deepEqual([...s], ['b', 'c']);
      assert.equal(s.has('b') && !s.has('a') && s.size === 2, true);
      const seen: string[] = [];
      s.forEach((value) => seen.push(value));
      assert.deepEqual(seen, ['b', 'c']);
      assert.deepEqual(getValue(s), new Set(['b', 'c']));
      s.clear();
      assert.equal(s.size, 0);
      assert.throws(() => manager.set(5 as never), TypeError);
      assert.throws(() => manager.create('set', 5), TypeError);
    });
  },

  async 'values and arrays have types'() {
    await withManager(async (manager) => {
      const v = manager.Value('i', 10);
      v.value += 5;
      await inGoodChild(() => v.add(7));
      assert.equal(v.value, 22);
      assert.equal(v.get(), 22);
      v.set(1);
      assert.equal(v.exchange(3), 1);
      assert.equal(v.compareExchange(3, 4), 3);
      assert.equal(v.value, 4);
      assert.throws(() => (v.value = 0.5), RangeError);
      assert.throws(() => (v.value = 'x' as never), TypeError);
      assert.equal(inspect(v), 'ValueProxy(4)');
      assert.throws(() => manager.Value('nonsense' as never), Error);
      const a = manager.Array('B', [1, 2, 3]);
      a[0] = 200;
      await inGoodChild(() => (a[1] = 100));
      assert.deepEqual([...a], [200, 100, 3]);
      assert.equal(a.length, 3);
      assert.deepEqual(a.slice(1), Uint8Array.of(100, 3));
      assert.throws(() => (a[0] = 300), RangeError);
      assert.throws(() => (a[3] = 1), RangeError);
      assert.equal(a[3], undefined);
      assert.equal(
        a.reduce((x, y) => x + y),
        303,
      );
      a.fill(7);
      a.set([8, 9], 1);
      assert.deepEqual([...a], [7, 8, 9]);
      assert.equal((a as unknown as { push: unknown }).push, undefined);
      assert.equal(manager.Array('d', 5).length, 5);
    });
  },

  async 'proxies inside of values'() {
    await withManager(async (manager) => {
      const inner = manager.dict({ x: 1 });
      const l = manager.list<unknown>([inner, { deep: [inner, new Map([['k', inner]])] }]);
      assert.equal(l[0], inner);
      const [deep] = (l[1] as { deep: [unknown] }).deep;
      assert.equal(deep, inner);
      assert.equal((l[1] as { deep: [unknown, Map<string, unknown>] }).deep[1].get('k'), inner);
      l.push(l);
      assert.equal(l[2], l);
      await inGoodChild(() => {
        (l[0] as Record<string, number>)['x'] = 5;
        l.push(manager.list(['made by a child']));
      });
      assert.equal(inner['x'], 5);
      assert.deepEqual(getValue(l[3] as string[]), ['made by a child']);
      assert.equal(l.indexOf(inner), 0);
    });
  },

  async 'the promise form'() {
    await withManager(async (manager) => {
      const d = asyncProxy(manager.dict<Record<string, number>>({ a: 1 }));
      await d.set('b', 2);
      assert.equal(await d.get('b'), 2);
      assert.deepEqual(await Promise.all([d.keys(), d.size(), d.has('c')]), [['a', 'b'], 2, false]);
      assert.equal(await d.pop('a'), 1);
      await d.update({ x: 1, y: 2 });
      assert.deepEqual(await d.getValue(), { b: 2, x: 1, y: 2 });
      await assert.rejects(d.set('f', (() => {}) as never), misuse('NOT_CLONABLE'));
      const l = asyncProxy(manager.list<number>());
      const lengths = await Promise.all(Array.from({ length: 100 }, (_, i) => l.push(i)));
      assert.deepEqual(
        lengths,
        Array.from({ length: 100 }, (_, i) => i + 1),
      );
      assert.equal((await l.getValue()).length, 100);
      const proxy = manager.dict();
      assert.equal(asyncProxy(proxy), asyncProxy(proxy));
      assert.throws(() => asyncProxy({}), { code: 'ERR_INVALID_ARG_TYPE' });
      const v = asyncProxy(manager.Value('i', 1));
      assert.equal(await v.get(), 1);
    });
  },

  async 'values of all kinds and sizes'() {
    await withManager(async (manager) => {
      const l = manager.list<unknown>();
      const values = [
        undefined,
        true,
        -0,
        0.1,
        2 ** 31,
        -(2 ** 31),
        NaN,
        12n,
        'x'.repeat(1_000_000),
        'lone \ud800',
        Buffer.alloc(3_000_000, 'y'),
        new Uint16Array([1, 2]),
        new Date(0),
        /x/g,
        new Set([1]),
        Array(3),
        { a: { b: [] } },
      ];
      for (const value of values) {
        l.push(value);
        assert.deepEqual(l.at(-1), value);
      }
      assert.deepEqual(getValue(l), values);
      assert.equal(await inChild(() => (l[8] as string).length), 1_000_000);
      l.push(new RangeError('mine'));
      assert.equal(l.at(-1) instanceof RangeError, true);
    });
  },
};
