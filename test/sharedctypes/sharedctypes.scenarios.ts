import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  type DataLock,
  inChild,
  Process,
  RawArray,
  RawValue,
  RLock,
  SharedArray,
  type TypeCode,
  Value,
} from 'truefork';
import { _exit, fork, waitpid } from 'truefork/posix';
import { countSharedMappings, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const CLOSED = {
  name: 'ProcessError',
  code: 'ERR_TRUEFORK_CLOSED',
  message: 'the value is closed',
};
const NO_LOCK = { name: 'ProcessError', code: 'ERR_TRUEFORK_NO_LOCK' };

/** A value of a type that the compiler does not know. */
interface AnyValue {
  value: unknown;
  add(n: unknown): unknown;
  exchange(value: unknown): unknown;
  compareExchange(expected: unknown, replacement: unknown): unknown;
}

function anyValue(code: string, initial?: unknown): AnyValue {
  return new Value(code as TypeCode, initial as never);
}

/** By type: what it can hold, lowest and highest, and what it cannot. */
const INTEGERS: [codes: string[], lowest: number, highest: number][] = [
  [['b', 'int8'], -128, 127],
  [['B', 'uint8'], 0, 255],
  [['h', 'int16'], -32_768, 32_767],
  [['H', 'uint16'], 0, 65_535],
  [['i', 'int32'], -2_147_483_648, 2_147_483_647],
  [['I', 'uint32'], 0, 4_294_967_295],
];
const BIGINTS: [codes: string[], lowest: bigint, highest: bigint][] = [
  [['l', 'q', 'bigint64'], -9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n],
  [['L', 'Q', 'biguint64'], 0n, 18_446_744_073_709_551_615n],
];

const fakeLock: DataLock = {
  acquire: () => Promise.resolve(true),
  acquireSync: () => true,
  release() {},
  with: (fn) => Promise.resolve(fn()),
  withSync: (fn) => fn(),
};

function exitcodeOf(act: () => void): number | null {
  const pid = fork();
  if (pid !== 0) return waitpid(pid)!.exitcode;
  try {
    act();
  } catch (error) {
    console.error(error);
    _exit(1);
  }
  return _exit(0);
}

/** Runs `work` in several processes at the same time, all of which begin at once. */
async function together(count: number, work: (index: number) => void): Promise<void> {
  const ready = new RawValue('i');
  const children = Array.from({ length: count }, (_, index) => {
    const child = new Process({
      target: () => {
        ready.add(1);
        while (ready.value < count);
        work(index);
      },
    });
    child.start();
    return child;
  });
  for (const child of children) assert.equal(await child.join(), 0);
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

export const scenarios: Scenarios = {
  'each type begins with zero'() {
    const zeros = { c: Buffer.of(0), u: '\0', w: '\0', '?': false, f: 0, d: 0 };
    for (const [code, zero] of Object.entries(zeros)) assert.deepEqual(anyValue(code).value, zero);
    for (const [codes] of INTEGERS) for (const code of codes) assert.equal(anyValue(code).value, 0);
    for (const [codes] of BIGINTS) for (const code of codes) assert.equal(anyValue(code).value, 0n);
    assert.equal(new Value('float32').value, 0);
    assert.equal(new Value('float64').value, 0);
  },

  'integers hold what they can, and refuse what they cannot'() {
    for (const [codes, lowest, highest] of INTEGERS) {
      for (const code of codes) {
        const value = anyValue(code, lowest);
        assert.equal(value.value, lowest, code);
        value.value = highest;
        for (const wrong of [lowest - 1, highest + 1, 0.5, Number.NaN, Infinity, 2 ** 40]) {
          assert.throws(() => (value.value = wrong), OUT_OF_RANGE, code);
          assert.throws(() => anyValue(code, wrong), OUT_OF_RANGE);
          assert.throws(() => new RawArray(code as 'i', [wrong]), OUT_OF_RANGE);
        }
        for (const wrong of ['1', 1n, null, true, {}]) {
          assert.throws(() => (value.value = wrong), WRONG_TYPE, code);
        }
        assert.equal(value.value, highest, code);
        value.value = -0;
        assert.equal(value.value, 0);
      }
    }
  },

  'integers of 64 bits are bigints'() {
    for (const [codes, lowest, highest] of BIGINTS) {
      for (const code of codes) {
        const value = anyValue(code, lowest);
        assert.equal(value.value, lowest, code);
        value.value = highest;
        for (const wrong of [lowest - 1n, highest + 1n]) {
          assert.throws(() => (value.value = wrong), OUT_OF_RANGE, code);
        }
        for (const wrong of [1, '1', 1.5, undefined]) {
          assert.throws(() => (value.value = wrong), WRONG_TYPE, code);
        }
        assert.equal(value.value, highest, code);
      }
    }
  },

  'floats, bytes, characters, booleans'() {
    const double = new Value('d', 0.1);
    assert.equal(double.value, 0.1);
    double.value = Number.NaN;
    assert.ok(Number.isNaN(double.value));
    assert.equal(new Value('f', 0.1).value, Math.fround(0.1));
    assert.throws(() => (double.value = 1n as never), WRONG_TYPE);
    assert.throws(() => (double.value = '1' as never), WRONG_TYPE);
    const byte = new Value('c', Buffer.from('x'));
    assert.deepEqual(byte.value, Buffer.from('x'));
    byte.value = 65 as never;
    assert.deepEqual(byte.value, Buffer.from('A'));
    assert.throws(() => (byte.value = Buffer.from('xy')), WRONG_TYPE);
    assert.throws(() => (byte.value = 256 as never), OUT_OF_RANGE);
    const character = new Value('u', '😀');
    assert.equal(character.value, '😀');
    for (const wrong of ['', 'ab', 5]) {
      assert.throws(() => (character.value = wrong as never), WRONG_TYPE);
    }
    const flag = new Value('?', true);
    assert.equal(flag.value, true);
    flag.value = false;
    assert.equal(flag.value, false);
    assert.throws(() => (flag.value = 2 as never), OUT_OF_RANGE);
    assert.throws(() => (flag.value = 'yes' as never), WRONG_TYPE);
  },

  'bad type codes'() {
    for (const code of ['x', '', 'int', 'toString', '__proto__', 5, null, undefined]) {
      for (const make of [
        () => new Value(code as never),
        () => new RawValue(code as never),
        () => new SharedArray(code as never, 1),
        () => new RawArray(code as never, 1),
      ]) {
        assert.throws(make, { ...WRONG_TYPE, message: /"typecode" argument must be one of c, b/ });
      }
    }
  },

  async 'values in children and grandchildren'() {
    const number = new Value('i', 7);
    const array = new SharedArray('d', [1, 2, 3]);
    const raw = new RawArray('q', 2);
    const text = new SharedArray('c', 20);
    const result = await inChild(async () => {
      number.value *= 2;
      await inChild(() => {
        number.value += 1;
        array[0]! += 0.5;
        raw[1] = 5n;
        text.value = Buffer.from('hello');
      });
      return number.value;
    });
    assert.equal(result, 15);
    assert.equal(number.value, 15);
    assert.deepEqual([...array], [1.5, 2, 3]);
    assert.deepEqual([...raw], [0n, 5n]);
    assert.deepEqual(text.value, Buffer.from('hello'));
  },

  async 'a loop that only reads sees the change'() {
    const go = new Value('i');
    const seen = new Value('?');
    const child = new Process({
      target: () => {
        while (go.value === 0);
        seen.value = true;
      },
    });
    child.start();
    await until(() => {
      go.value = 1;
      return seen.value;
    });
    assert.equal(await child.join(), 0);
  },

  async 'eight processes that add, exactly'() {
    const counter = new Value('i');
    const big = new Value('q');
    const unsigned = new Value('B');
    const array = new SharedArray('I', 1);
    await together(8, () => {
      for (let i = 0; i < 100_000; i++) {
        counter.add(1);
        big.add(1_000_000_000_000n);
        unsigned.add(1);
        Atomics.add(array, 0, 1);
      }
    });
    assert.equal(counter.value, 800_000);
    assert.equal(big.value, 800_000_000_000_000_000n);
    assert.equal(unsigned.value, 800_000 % 256);
    assert.equal(array[0], 800_000);
  },

  async 'eight processes that compare and exchange'() {
    const counter = new Value('q');
    await together(8, () => {
      for (let i = 0; i < 20_000; i++) {
        let seen = counter.value;
        for (;;) {
          const before = counter.compareExchange(seen, seen + 1n);
          if (before === seen) break;
          seen = before;
        }
      }
    });
    assert.equal(counter.value, 160_000n);
  },

  async 'values of 64 bits are never torn'() {
    const patterns = [0n, 0xffff_ffff_ffff_ffffn, 0x1234_5678_1234_5678n, 0x8765_4321_8765_4321n];
    const value = new Value('Q');
    const double = new Value('d', 1e300);
    await together(4, (index) => {
      for (let i = 0; i < 300_000; i++) {
        if (index < 2) {
          value.value = patterns[i % 4]!;
          double.value = i % 2 === 0 ? 1e300 : -1e-300;
        } else {
          const seen = value.value;
          if (!patterns.includes(seen)) throw new Error(`torn: ${seen.toString(16)}`);
          const number = double.value;
          if (number !== 1e300 && number !== -1e-300) throw new Error(`torn: ${number}`);
        }
      }
    });
  },

  'atomic operations give the value before'() {
    const value = new Value('h', 5);
    assert.equal(value.add(3), 5);
    assert.equal(value.add(-10), 8);
    assert.equal(value.exchange(100), -2);
    assert.equal(value.compareExchange(99, 1), 100);
    assert.equal(value.compareExchange(100, 1), 100);
    assert.equal(value.value, 1);
    assert.throws(() => value.add(0.5), WRONG_TYPE);
    assert.throws(() => value.add(1n as never), WRONG_TYPE);
    assert.throws(() => value.exchange(40_000), OUT_OF_RANGE);
    assert.throws(() => value.compareExchange(1, 40_000), OUT_OF_RANGE);
    const big = new Value('q', 5n);
    assert.equal(big.add(-6n), 5n);
    assert.equal(big.value, -1n);
    assert.throws(() => big.add(1 as never), WRONG_TYPE);
    for (const code of ['f', 'd', 'c', 'u', '?']) {
      const message = /must be that of an integer/;
      assert.throws(() => anyValue(code).add(1), { ...WRONG_TYPE, message });
      assert.throws(() => anyValue(code).exchange(1), WRONG_TYPE);
      assert.throws(() => anyValue(code).compareExchange(1, 0), WRONG_TYPE);
    }
  },

  async 'a lock of its own, and steps that need none'() {
    const locked = new Value('i', 0);
    const stepped = new Value('q', 0n);
    const array = new SharedArray('d', 2);
    const crowd = Array.from({ length: 4 }, (_, index) => {
      const child = new Process({
        target: async () => {
          for (let i = 0; i < 2000; i++) {
            if (index % 2 === 0) locked.withSync(() => (locked.value += 1));
            else await locked.with(() => (locked.value += 1));
            await array.with(() => (array[1]! += 1));
            stepped.add(1n);
          }
        },
      });
      child.start();
      return child;
    });
    for (const child of crowd) assert.equal(await child.join(), 0);
    assert.deepEqual([locked.value, stepped.value, array[1]], [8000, 8000n, 8000]);
    assert.ok(locked.getLock() instanceof RLock);
  },

  'the lock that it was made with'() {
    for (const data of [
      new Value('i', 0, { lock: fakeLock }),
      new SharedArray('i', 3, { lock: fakeLock }),
    ]) {
      assert.equal(data.getLock(), fakeLock);
      assert.equal(
        data.withSync(() => 5),
        5,
      );
    }
    for (const data of [
      new Value('i', 0, { lock: false }),
      new SharedArray('i', 3, { lock: false }),
    ]) {
      assert.throws(() => data.getLock(), NO_LOCK);
      assert.throws(() => data.with(() => 5), NO_LOCK);
      assert.throws(() => data.withSync(() => 5), NO_LOCK);
    }
    for (const lock of ['notalock', 5, null, {}]) {
      assert.throws(() => new Value('i', 0, { lock: lock as never }), WRONG_TYPE);
      assert.throws(() => new SharedArray('i', 0, { lock: lock as never }), WRONG_TYPE);
    }
    assert.throws(() => new Value('i', 0, null as never), WRONG_TYPE);
    assert.ok(!('getLock' in new RawValue('i')));
    assert.ok(!('getLock' in new RawArray('i', 1)));
  },

  classes() {
    class Counter extends Value<'i'> {
      constructor() {
        super('i', 5);
      }

      next(): number {
        return this.add(1);
      }
    }
    const counter = new Counter();
    assert.equal(counter.next(), 5);
    assert.equal(counter.value, 6);
    assert.ok(counter instanceof Counter);
    assert.ok(counter instanceof RawValue);
    assert.equal(inspect(counter), "Counter('i', 6)");
    assert.equal(inspect(new Value('u', 'x')), "Value('u', 'x')");
    assert.equal(String(counter), '6');
    assert.ok(new SharedArray('i', 1) instanceof SharedArray);
    assert.ok(new SharedArray('i', 1) instanceof Int32Array);
    assert.ok(!(new Int32Array(1) instanceof SharedArray));
    assert.equal(new SharedArray('i', 1).typecode, 'i');
    assert.equal(inspect(new SharedArray('i', [1, 2])), 'SharedArray(2) [Int32Array] [ 1, 2 ]');
  },

  'an array behaves as the one that Python has'() {
    const array = new SharedArray('i', [680, 626, 934, 821, 150, 233, 548, 982, 714, 831]);
    assert.equal(array.length, 10);
    assert.equal(array[2], 934);
    assert.deepEqual(Array.from(array.slice(2, 5)), [934, 821, 150]);
    array.set(array.slice(0, 4).toReversed(), 4);
    assert.deepEqual([...array], [680, 626, 934, 821, 821, 934, 626, 680, 714, 831]);
    const sums = [...array];
    for (let i = 1; i < sums.length; i++) sums[i]! += sums[i - 1]!;
    assert.equal(
      exitcodeOf(() => {
        for (let i = 1; i < array.length; i++) array[i]! += array[i - 1]!;
      }),
      0,
    );
    assert.deepEqual([...array], sums);
  },

  'an array of a size is zeros'() {
    for (let i = 0; i < 3; i++) {
      const array = new SharedArray('i', 1000);
      assert.equal(array.length, 1000);
      assert.ok(array.every((element) => element === 0));
      array.set(Array.from({ length: 1000 }, (_, n) => n + 1));
      assert.equal(array[999], 1000);
    }
    assert.equal(new SharedArray('d', 0).length, 0);
    assert.equal(new RawArray('d', []).length, 0);
    for (const size of [-1, 1.5, Number.NaN]) {
      assert.throws(() => new SharedArray('i', size), OUT_OF_RANGE);
    }
    assert.throws(() => new SharedArray('d', 2 ** 52), OUT_OF_RANGE);
    for (const bad of [null, undefined, {}, true]) {
      assert.throws(() => new SharedArray('i', bad as never), WRONG_TYPE);
    }
  },

  'arrays of every type'() {
    for (const [codes, lowest, highest] of INTEGERS) {
      for (const code of codes as 'i'[]) {
        for (const array of [
          new SharedArray(code, [lowest, highest]),
          new RawArray(code, new Set([lowest, highest])),
        ]) {
          assert.deepEqual([...array], [lowest, highest], code);
        }
      }
    }
    for (const [codes, lowest, highest] of BIGINTS) {
      for (const code of codes as 'q'[]) {
        const array = new SharedArray(code, [lowest, highest]);
        assert.deepEqual([...array], [lowest, highest]);
        assert.throws(() => array.set([1 as never]), WRONG_TYPE);
        array.fill(3n);
        assert.deepEqual([...array], [3n, 3n]);
      }
    }
    assert.deepEqual([...new SharedArray('?', [true, false, 1])], [1, 0, 1]);
    assert.deepEqual([...new SharedArray('f', new Float64Array([0.5]))], [0.5]);
    assert.deepEqual([...new RawArray('d', [0.1])], [0.1]);
    assert.equal(RawArray('d', [0.1]).constructor, Float64Array);
  },

  'what an array refuses'() {
    const array = new SharedArray('B', [1, 2, 3]);
    assert.throws(() => array.set(0, 256), OUT_OF_RANGE);
    assert.throws(() => array.set(3, 1), OUT_OF_RANGE);
    assert.throws(() => array.set(-1, 1), OUT_OF_RANGE);
    assert.throws(() => array.get(3), OUT_OF_RANGE);
    assert.throws(() => array.get('0' as never), WRONG_TYPE);
    assert.throws(() => array.set([7, 8, 300]), { ...OUT_OF_RANGE, message: /"\[2\]"/ });
    assert.throws(() => array.set([7, 'x' as never]), WRONG_TYPE);
    assert.throws(() => array.set(new Float64Array([0.5])), OUT_OF_RANGE);
    assert.throws(() => array.set([1, 2], 2), RangeError);
    assert.throws(() => array.fill(-1), OUT_OF_RANGE);
    assert.deepEqual([...array], [1, 2, 3]);
    array.set(0, 255);
    array.set([8, 9], 1);
    assert.equal(array.get(2), 9);
    assert.deepEqual([...array.fill(4, 1)], [255, 4, 4]);
    assert.deepEqual(Array.from(array.with(0, 5)), [5, 4, 4]);
    assert.equal(array[0], 255);
  },

  'slices are copies, and plain; subarrays are views'() {
    const array = new SharedArray('h', [3, 1, 2]);
    for (const plain of [array.slice(), array.map((n) => n), array.filter(() => true)]) {
      assert.equal(plain.constructor, Int16Array);
      assert.notEqual(plain.buffer, array.buffer);
    }
    array.subarray(1)[0] = 9;
    assert.equal(array[1], 9);
    assert.deepEqual(Array.from(array.toSorted()), [2, 3, 9]);
    const text = new RawArray('c', 3);
    assert.equal(text.subarray(1).constructor, Uint8Array);
  },

  'strings of bytes'() {
    for (const text of [new SharedArray('c', 8), new RawArray('c', 8)]) {
      assert.deepEqual(text.value, Buffer.alloc(0));
      text.value = Buffer.from('hello');
      assert.deepEqual(text.value, Buffer.from('hello'));
      assert.deepEqual(text.raw, Buffer.from('hello\0\0\0'));
      text.value = Buffer.from('hi');
      assert.deepEqual(text.raw, Buffer.from('hi\0lo\0\0\0'));
      text.value = Buffer.from('12345678');
      assert.deepEqual(text.value, Buffer.from('12345678'));
      const message = /byte string too long/;
      assert.throws(() => (text.value = Buffer.alloc(9)), { ...OUT_OF_RANGE, message });
      assert.throws(() => (text.raw = Buffer.alloc(9)), { ...OUT_OF_RANGE, message });
      assert.throws(() => (text.value = 'hi' as never), WRONG_TYPE);
      text.raw = Buffer.from('ab');
      assert.deepEqual(text.value, Buffer.from('ab345678'));
      text[0] = 65;
      assert.deepEqual(text.slice(0, 1), Uint8Array.of(65));
    }
    assert.deepEqual(new SharedArray('c', Buffer.from('xyz')).value, Buffer.from('xyz'));
  },

  'strings of characters'() {
    const text = new SharedArray('u', 'añ😀');
    assert.equal(text.length, 3);
    assert.equal(text.value, 'añ😀');
    text.value = 'b';
    assert.equal(text.value, 'b');
    assert.throws(() => (text.value = 'abcd'), OUT_OF_RANGE);
    assert.throws(() => (text.value = 5 as never), WRONG_TYPE);
    assert.throws(() => text.set(0, 0x110000), OUT_OF_RANGE);
    const long = new RawArray('u', 300_000);
    long.value = 'x'.repeat(300_000);
    assert.equal(long.value.length, 300_000);
  },

  'copies are independent'() {
    const value = new Value('d', 2);
    const array = new SharedArray('i', [1, 2, 3]);
    const values = [new RawValue('d', value.value), new Value('d', value.value)];
    const arrays = [new RawArray('i', array), new SharedArray('i', array)];
    value.value = 7;
    array.fill(0);
    assert.deepEqual(
      values.map((copy) => copy.value),
      [2, 2],
    );
    for (const copy of arrays) assert.deepEqual([...copy], [1, 2, 3]);
  },

  'closed values'() {
    const first = new Value('i', 5);
    first.close();
    first.close();
    assert.throws(() => first.value, CLOSED);
    assert.throws(() => (first.value = 1), CLOSED);
    assert.throws(() => first.add(1), CLOSED);
    assert.throws(() => first.exchange(1), CLOSED);
    assert.throws(() => String(first), CLOSED);
    assert.equal(inspect(first), "Value('i', closed)");
    const others = Array.from({ length: 100 }, () => new Value('i'));
    assert.ok(others.every(({ value }) => value === 0));
    const before = countSharedMappings();
    {
      using scoped = new SharedArray('d', 100_000);
      assert.equal(countSharedMappings(), before + 1);
      scoped[99_999] = 1;
    }
    assert.equal(countSharedMappings(), before);
    const array = new SharedArray('d', 100_000);
    const view = array.subarray(5);
    array.close();
    array.close();
    assert.equal(array.length, 0);
    assert.equal(array[0], undefined);
    assert.equal(view.length, 0);
    const small = new SharedArray('d', [1, 2]);
    small.close();
    assert.deepEqual([...small], [1, 2]);
  },

  'ten thousand values are a few mappings'() {
    const before = countSharedMappings();
    const values = Array.from({ length: 10_000 }, (_, i) => new Value('i', i));
    const arrays = Array.from({ length: 1000 }, (_, i) => new SharedArray('i', [i, i]));
    assert.ok(countSharedMappings() - before <= 20);
    assert.ok(values.every(({ value }, i) => value === i));
    assert.ok(arrays.every((array, i) => array[1] === i));
  },

  async 'what nobody has is given back'() {
    const before = countSharedMappings();
    const use = (): void => {
      for (let i = 0; i < 100_000; i++) assert.equal(new Value('d', i).value, i);
      for (let i = 0; i < 20_000; i++) assert.equal(new SharedArray('d', 20)[19], 0);
      for (let i = 0; i < 50; i++) assert.equal(new RawArray('d', 10_000)[9999], 0);
    };
    use();
    await until(() => {
      collectGarbage();
      return countSharedMappings() <= before + 3;
    });
  },

  async 'memory that is freed while a view of it lives'() {
    const view = ((): Float64Array => new RawArray('d', [1, 2, 3, 4]).subarray(1, 3))();
    const single = new SharedArray('d', [5]);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 20_000; i++) new SharedArray('d', 4).fill(9);
      for (let i = 0; i < 20_000; i++) assert.equal(new Value('d', 9).value, 9);
      collectGarbage();
      await until(() => true);
    }
    assert.deepEqual([...view], [2, 3]);
    assert.equal(single[0], 5);
  },

  async 'a child keeps using what its parent has closed'() {
    const value = new Value('i', 1);
    const array = new SharedArray('i', 100_000);
    const gate = new Value('?');
    const child = new Process({
      target: () => {
        while (!gate.value);
        assert.equal(value.value, 1);
        value.value = 2;
        array[99_999] = 5;
        assert.equal(value.value, 2);
        assert.equal(array[99_999], 5);
      },
    });
    child.start();
    value.close();
    array.close();
    const others = Array.from({ length: 5000 }, () => new Value('i', 77));
    gate.value = true;
    assert.equal(await child.join(), 0);
    assert.ok(others.every((other) => other.value === 77));
  },

  async 'values that a child makes are its own'() {
    const ours = Array.from({ length: 100 }, (_, i) => new Value('i', i));
    await together(4, (index) => {
      const theirs = Array.from({ length: 1000 }, (_, i) => new Value('i', index * 1000 + i));
      for (let i = 0; i < 100; i++) {
        ours[i]!.close();
        const more = new SharedArray('i', [index, i]);
        assert.deepEqual([...more], [index, i]);
      }
      assert.ok(theirs.every(({ value }, i) => value === index * 1000 + i));
    });
    assert.ok(ours.every(({ value }, i) => value === i));
  },
};
