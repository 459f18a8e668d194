import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { inspect } from 'node:util';
import { inChild, Pipe, type Shareable, ShareableList, SharedMemory } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';

const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const NO_LIST = { name: 'ProcessError', code: 'ERR_TRUEFORK_BAD_MESSAGE' };

const PYTHON = `
import sys
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import ShareableList
def attach(name):
    l = ShareableList(name=name)
    resource_tracker.unregister(l.shm._name, 'shared_memory')
    return l
`;

function python(script: string, ...args: string[]): string {
  return execFileSync('python3', ['-c', PYTHON + script, ...args])
    .toString()
    .trimEnd();
}

const ITEMS: Shareable[] = ['howdy', Buffer.from('HoWdY'), -273.154, 100, null, true, 42];

function withList(items: Shareable[], use: (list: ShareableList) => void): void {
  const list = new ShareableList(items);
  try {
    use(list);
  } finally {
    list.shm.unlink();
    list.shm.close();
  }
}

function withMemory(size: number, use: (shm: SharedMemory) => void): void {
  using shm = new SharedMemory({ create: true, size });
  try {
    use(shm);
  } finally {
    shm.unlink();
  }
}

export const scenarios: Scenarios = {
  'what it holds'() {
    withList(ITEMS, (list) => {
      assert.equal(list.length, 7);
      assert.deepEqual([...list], ITEMS);
      assert.equal(list.get(0), 'howdy');
      assert.equal(list.get(-2), true);
      assert.equal(list.format, '8s8sdqxxxxxx?xxxxxxxx?q');
      assert.match(inspect(list), /^ShareableList\(\[\s*'howdy',.*\], name='psm_\w{8}'\)$/s);
      for (const index of [7, -8, 1.5]) {
        assert.throws(() => list.get(index), OUT_OF_RANGE);
        assert.throws(() => list.set(index, 1), OUT_OF_RANGE);
      }
      assert.throws(() => list.get('0' as never), WRONG_TYPE);
      assert.equal(list.count(42), 1);
      assert.equal(list.count('x'), 0);
      assert.equal(list.index(100), 3);
      assert.equal(list.index(100n), 3);
      assert.equal(list.index(Buffer.from('HoWdY')), 1);
      assert.equal(list.index(null), 4);
      assert.throws(() => list.index(999), OUT_OF_RANGE);
    });
  },

  'items change in place, also their type'() {
    withList(ITEMS, (list) => {
      list.set(0, 'longer?');
      list.set(1, 'str');
      list.set(2, 5);
      list.set(3, 2.5);
      list.set(4, false);
      list.set(5, null);
      list.set(-1, Buffer.from('12345678'));
      const expected = ['longer?', 'str', 5, 2.5, false, null, Buffer.from('12345678')];
      assert.deepEqual([...list], expected);
      assert.equal(list.format, '8s8sddxxxxxxx?xxxxxx?x8s');
      list.set(0, '');
      assert.equal(list.get(0), '');
      list.set(0, 7);
      list.set(0, 'ab');
      assert.equal(list.get(0), 'ab');
    });
  },

  'room is counted in bytes'() {
    withList(['áéíóú', 'x'.repeat(16), Buffer.alloc(0)], (list) => {
      assert.equal(list.get(0), 'áéíóú');
      assert.equal(list.format, '16s24s8s');
      list.set(0, 'x'.repeat(16));
      const message = /bytes\/str item exceeds available storage/;
      assert.throws(() => list.set(0, 'x'.repeat(17)), { ...OUT_OF_RANGE, message });
      assert.throws(() => list.set(0, 'á'.repeat(9)), { ...OUT_OF_RANGE, message });
      assert.throws(() => list.set(2, Buffer.alloc(9, 1)), { ...OUT_OF_RANGE, message });
      assert.equal(list.get(0), 'x'.repeat(16));
      assert.deepEqual(list.get(2), Buffer.alloc(0));
    });
  },

  numbers() {
    const numbers: Shareable[] = [
      0,
      -1,
      Number.MAX_SAFE_INTEGER,
      2n ** 63n - 1n,
      -(2n ** 63n),
      0.1,
      Infinity,
      1e300,
    ];
    withList(numbers, (list) => {
      assert.deepEqual([...list], numbers);
      assert.equal(list.format, 'qqqqqddd');
      list.set(0, Number.NaN);
      assert.ok(Number.isNaN(list.get(0)));
      list.set(1, -0);
      assert.ok(Object.is(list.get(1), -0));
      list.set(2, 5n);
      assert.equal(list.get(2), 5);
      assert.throws(() => list.set(3, 2n ** 63n), OUT_OF_RANGE);
    });
  },

  'what it does not hold'() {
    for (const bad of [
      undefined,
      {},
      [1],
      Symbol('x'),
      'ends with \0',
      Buffer.alloc(1),
      '\ud800',
    ]) {
      assert.throws(() => new ShareableList([bad as never]), WRONG_TYPE);
      withList([1, 'abcdefghijklmnop'], (list) => {
        assert.throws(() => list.set(1, bad as never), WRONG_TYPE);
        assert.deepEqual([...list], [1, 'abcdefghijklmnop']);
      });
    }
    assert.throws(() => new ShareableList(['x'.repeat(10_000_000)]), OUT_OF_RANGE);
    assert.throws(() => new ShareableList([2n ** 64n]), OUT_OF_RANGE);
  },

  'empty lists, copies, second handles'() {
    withList([], (list) => {
      assert.equal(list.length, 0);
      assert.deepEqual([...list], []);
      assert.equal(list.format, '');
      assert.throws(() => list.get(0), OUT_OF_RANGE);
      const again = new ShareableList(undefined, { name: list.shm.name });
      assert.equal(again.length, 0);
    });
    withList(ITEMS, (list) => {
      const handle = new ShareableList(undefined, { name: list.shm.name });
      handle.set(-1, 7);
      assert.equal(list.get(-1), 7);
      const name = `${list.shm.name}_copy`;
      const copy = new ShareableList(list, { name });
      assert.equal(copy.shm.name, name);
      assert.deepEqual([...copy], [...list]);
      assert.equal(copy.format, list.format);
      copy.set(0, 'copied');
      assert.equal(list.get(0), 'howdy');
      assert.throws(() => new ShareableList([], { name }), { code: 'EEXIST' });
      copy.shm.unlink();
      assert.throws(() => new ShareableList(undefined, { name }), { code: 'ENOENT' });
    });
  },

  async 'in a child, and through a connection'() {
    const list = new ShareableList(ITEMS);
    await inChild(() => list.set(0, 'child'));
    assert.equal(list.get(0), 'child');
    const [near, far] = Pipe();
    near.sendSync(list);
    const received = (await far.recv()) as ShareableList;
    assert.ok(received instanceof ShareableList);
    received.set(1, 1);
    assert.equal(list.get(1), 1);
    near.sendSync(list);
    list.shm.unlink();
    await assert.rejects(far.recv(), { code: 'ENOENT' });
  },

  'Python reads and writes ours'() {
    const items = [...ITEMS, 'añ😀 and more', 2n ** 60n, false, 0.5, ''];
    withList(items, (list) => {
      const printed = python(
        `
l = attach(sys.argv[1])
print(list(l), l.format)
l[0] = 'python'; l[1] = 1; l[2] = None; l[3] = 2.5; l[4] = b'x'; l[5] = False
l[7] = 'añ😀'
`,
        list.shm.name,
      );
      assert.equal(
        printed,
        "['howdy', b'HoWdY', -273.154, 100, None, True, 42, 'añ😀 and more', 1152921504606846976, False, 0.5, ''] " +
          '8s8sdqxxxxxx?xxxxxxxx?q24sqxxxxxxx?d8s',
      );
      const expected = ['python', 1, null, 2.5, Buffer.from('x'), false, 42, 'añ😀'];
      assert.deepEqual([...list].slice(0, 8), expected);
    });
  },

  'ours reads and writes that of Python'() {
    const name = python(`
l = ShareableList(['abc', b'\\x00\\x01', 2.0, 7, None, True, 2 ** 62, -5])
resource_tracker.unregister(l.shm._name, 'shared_memory')
print(l.shm.name)
`);
    const list = new ShareableList(undefined, { name });
    assert.deepEqual([...list], ['abc', Buffer.from([0, 1]), 2, 7, null, true, 2n ** 62n, -5]);
    list.set(0, 'wxyz');
    list.set(2, 3);
    list.set(3, 'str');
    list.set(4, Buffer.from('b'));
    assert.equal(
      python('print(list(attach(sys.argv[1])))', name),
      "['wxyz', b'\\x00\\x01', 3.0, 'str', b'b', True, 4611686018427387904, -5]",
    );
    list.shm.unlink();
  },

  'memory without a list in it'() {
    const attach = (name: string) => () => new ShareableList(undefined, { name });
    withMemory(5, ({ name }) => assert.throws(attach(name), NO_LIST));
    for (const count of [-1n, 1n, 1000n, 2n ** 62n]) {
      withMemory(32, ({ name, buf }) => {
        buf.writeBigInt64LE(count);
        assert.throws(attach(name), NO_LIST);
      });
    }
    for (const end of [-8n, 0n, 7n, 1000n, 2n ** 62n]) {
      withMemory(64, ({ name, buf }) => {
        buf.writeBigInt64LE(1n);
        buf.writeBigInt64LE(end, 16);
        assert.throws(attach(name), NO_LIST);
      });
    }
    withMemory(64, ({ name, buf }) => {
      buf.writeBigInt64LE(1n);
      buf.writeBigInt64LE(8n, 16);
      assert.throws(() => attach(name)().get(0), NO_LIST);
    });
  },

  'closed lists'() {
    const list = new ShareableList(ITEMS);
    list.shm.unlink();
    list.shm.close();
    const closed = { name: 'ProcessError', code: 'ERR_TRUEFORK_CLOSED' };
    assert.throws(() => list.get(0), closed);
    assert.throws(() => list.set(0, 1), closed);
    assert.throws(() => [...list], closed);
    assert.throws(() => list.format, closed);
    assert.equal(list.length, 7);
  },
};
