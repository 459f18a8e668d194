// Values on their way through a connection, in one process.
import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { Pipe, Process } from 'truefork';

const [near, far] = Pipe();

async function sent<T>(value: T): Promise<T> {
  // In this order: where send() throws nobody waits for the message.
  const sending = near.send(value);
  const [received] = await Promise.all([far.recv(), sending]);
  return received as T;
}

function assertRefused(value: unknown, message: RegExp): void {
  const code = 'ERR_TRUEFORK_NOT_CLONABLE';
  try {
    assert.throws(() => near.sendSync(value), { name: 'ProcessError', code, message });
  } finally {
    // Bytes that were sent nevertheless are not for the next test.
    while (far.pollSync()) far.recvSync();
  }
}

async function assertSame(value: unknown): Promise<void> {
  assert.deepEqual(await sent(value), value);
}

test('primitive values', async () => {
  const numbers = [
    0,
    -0,
    1,
    -1.5,
    2 ** 53,
    Number.MIN_VALUE,
    Number.MAX_VALUE,
    Infinity,
    Number.NaN,
  ];
  const bigints = [0n, -1n, 2n ** 64n, -(2n ** 200n)];
  for (const value of [...numbers, ...bigints, true, false, null, undefined]) {
    assert.ok(Object.is(await sent(value), value), String(value));
    assert.ok(Object.is((await sent([value]))[0], value), String(value));
  }
});

test('strings', async () => {
  const strings = [
    '',
    'a',
    '\0',
    'ä€😀',
    '\ufeffwith a mark',
    '\ud800',
    'a\udfff\ud800b',
    '\uffff\ufffd',
  ];
  for (const string of [...strings, 'x'.repeat(1e6), '€'.repeat(1e6), `${'x'.repeat(1e6)}\ud800`]) {
    assert.equal(await sent(string), string);
    assert.equal((await sent({ string })).string, string);
  }
});

test('plain data that JSON would change', async () => {
  const hole = Object.assign(Array.from<number>({ length: 0 }), { extra: 1 });
  hole.length = 1;
  const extra = Object.assign([1], { extra: 1 });
  const key = JSON.parse('{"__proto__": 1}') as object;
  const values = [{ a: undefined }, [undefined], { a: -0 }, [Number.NaN], [1n], hole, extra, key];
  for (const value of [...values, { a: [Infinity] }, { a: { '': '\ud800' } }]) {
    const received = await sent(value);
    assert.deepEqual(received, value);
    assert.deepEqual(Object.keys(received), Object.keys(value));
  }
  assert.equal(0 in (await sent(hole)), false);
  const shared = {};
  const twice = await sent([shared, { again: shared }]);
  assert.equal(twice[0], (twice[1] as { again: object }).again);
  const circular: { self?: object } = {};
  circular.self = circular;
  const received = await sent(circular);
  assert.equal(received.self, received);
  assertRefused({ toJSON: () => 1 }, /could not be cloned/);
  assertRefused(new Proxy({ a: 1 }, {}), /could not be cloned/);
  await assertSame(Array.from({ length: 1000 }, (_, i) => ({ i, text: `${i}` })));
});

test('objects', async () => {
  await assertSame({ a: 1, b: { c: [undefined, null, {}] }, 'with space': true, 7: 'seven' });
  await assertSame({});
  await assertSame([]);
  await assertSame([[], [[]], {}]);
  await assertSame(new Date(0));
  assert.ok(Number.isNaN((await sent(new Date(Number.NaN))).getTime()));
  await assertSame(/re(g)?exp/gsuy);
  await assertSame(
    new Map<unknown, unknown>([
      [{ key: 1 }, new Map()],
      [2, new Set([3])],
    ]),
  );
  await assertSame(new Set([1, 'two', { three: 3 }]));
  await assertSame([Object(1), Object('text'), Object(true), Object(1n)]);
  const sparse = Array.of<unknown>(1);
  sparse[5] = 2;
  const received = await sent(sparse);
  assert.deepEqual([received.length, 3 in received, received[5]], [6, false, 2]);
});

test('identity within one value', async () => {
  const shared = { n: 1 };
  const value: Record<string, unknown> = { first: shared, second: shared, list: [shared] };
  value['itself'] = value;
  const received = await sent(value);
  assert.equal(received['first'], received['second']);
  assert.equal((received['list'] as unknown[])[0], received['first']);
  assert.equal(received['itself'], received);
  const map = new Map<unknown, unknown>();
  map.set(map, map);
  const receivedMap = await sent(map);
  assert.equal(receivedMap.get(receivedMap), receivedMap);
});

test('instances come as plain objects, getters as values', async () => {
  class Point {
    readonly #secret = 1;
    x = 1;
    get sum(): number {
      return this.x + this.#secret;
    }
  }
  const received: unknown = await sent({
    point: new Point(),
    get two() {
      return 2;
    },
  });
  assert.deepEqual(received, { point: { x: 1 }, two: 2 });
  assert.equal(Object.getPrototypeOf((received as { point: object }).point), Object.prototype);
});

test('a key that is called __proto__', async () => {
  const value: object = JSON.parse('{"__proto__": {"polluted": true}, "x": 1}');
  const received = await sent(value);
  assert.equal(JSON.stringify(received), JSON.stringify(value));
  assert.equal('polluted' in {}, false);
});

test('Buffers stay Buffers, and bytes stay bytes', async () => {
  for (const length of [0, 1, 5, 100_000]) {
    const buffer = Buffer.alloc(length, 'abc');
    const bytes = new Uint8Array(length).fill(7);
    const received = await sent({ buffer, bytes });
    assert.ok(Buffer.isBuffer(received.buffer) && !Buffer.isBuffer(received.bytes));
    assert.deepEqual(received, { buffer, bytes });
    const receivedBuffer = await sent(buffer);
    assert.ok(Buffer.isBuffer(receivedBuffer));
    assert.deepEqual(receivedBuffer, buffer);
    const receivedBytes = await sent(bytes);
    assert.equal(Object.getPrototypeOf(receivedBytes), Uint8Array.prototype);
    assert.deepEqual(receivedBytes, bytes);
  }
  // Of a bigger buffer, the part that is meant.
  assert.equal(String(await sent(Buffer.from('0123456789').subarray(3, 6))), '345');
  assert.deepEqual(await sent(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)), Uint8Array.of(2, 3));
});

test('what is received is no window to other memory', async () => {
  const received = await sent(Uint8Array.of(1, 2, 3));
  received.fill(9);
  assert.deepEqual(await sent(Uint8Array.of(1, 2, 3)), Uint8Array.of(1, 2, 3));
});

test('typed arrays', async () => {
  const { buffer } = Uint8Array.from({ length: 64 }, (_, i) => i * 3);
  for (const Type of [
    Int8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
  ]) {
    await assertSame(new Type(buffer));
    await assertSame({ odd: 1, view: new Type(buffer, 8, 2), none: new Type(0) });
  }
  await assertSame(new DataView(buffer, 3, 5));
  await assertSame(buffer);
  await assertSame(new ArrayBuffer(0));
});

test('big typed arrays', async () => {
  const floats = Float64Array.from({ length: 2_000_000 }, (_, i) => i / 3);
  await assertSame(floats);
  const { list } = await sent({ list: [floats, new Uint8Array(3)] });
  assert.deepEqual(list, [floats, new Uint8Array(3)]);
});

test('memory that is shared', async () => {
  const shared = new SharedArrayBuffer(8);
  assertRefused(shared, /SharedArrayBuffer> could not be cloned/);
  assertRefused({ deep: [shared] }, /SharedArrayBuffer> could not be cloned/);
  const bytes = new Uint8Array(shared).fill(5);
  // By value, as all that is sent.
  const received = await sent(bytes);
  bytes[0] = 1;
  assert.deepEqual([...received], Array(8).fill(5));
});

test('built-in errors', async () => {
  for (const Type of [
    Error,
    EvalError,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    URIError,
  ]) {
    const error = new Type('a message');
    const received = await sent(error);
    assert.equal(Object.getPrototypeOf(received), Type.prototype);
    assert.equal(received.message, 'a message');
    assert.equal(received.stack, error.stack);
    assert.deepEqual(Object.keys(received), []);
    assert.equal('cause' in received, false);
  }
});

test('errors of other classes', async () => {
  class NotFound extends TypeError {
    status = 404;
    static {
      this.prototype.name = 'NotFound';
    }
  }
  const received = await sent(new NotFound('nothing'));
  assert.ok(received instanceof Error);
  assert.deepEqual(
    [received.name, received.message, received.status],
    ['NotFound', 'nothing', 404],
  );
  assert.match(String(received), /^NotFound: nothing$/);
  assert.deepEqual(Object.keys(received), ['status']);
});

test('errors whose name is that of something else', async () => {
  for (const name of [
    '',
    'constructor',
    'toString',
    '__proto__',
    'hasOwnProperty',
    'AggregateError',
  ]) {
    const error = new Error('a message');
    error.name = name;
    const received = await sent(error);
    assert.ok(received instanceof Error, name);
    assert.deepEqual([received.name, received.message], [name, 'a message']);
  }
});

test("errors' own properties", async () => {
  const error = Object.assign(new Error('x'), {
    code: 'E_X',
    list: [1, { deep: new Map([[1, 2]]) }],
    inner: new RangeError('inner'),
    missing: undefined,
  });
  const received = await sent(error);
  assert.equal(received.code, 'E_X');
  assert.deepEqual(received.list, error.list);
  assert.ok(received.inner instanceof RangeError);
  assert.ok('missing' in received);
  const strange = Object.defineProperties(new Error('y'), {
    fn: { value: () => 1, enumerable: true },
    thrower: {
      get() {
        throw new Error('z');
      },
      enumerable: true,
    },
    hidden: { value: 1 },
  });
  const looksLike = await sent(strange);
  assert.deepEqual(Object.entries(looksLike), [['fn', '[Function: value]']]);
});

test('causes', async () => {
  const root = Object.assign(new TypeError('root'), { code: 'E_ROOT' });
  const received = await sent(
    new Error('top', { cause: new RangeError('middle', { cause: root }) }),
  );
  const middle = received.cause as Error;
  assert.ok(middle instanceof RangeError);
  assert.deepEqual({ ...(middle.cause as object) }, { code: 'E_ROOT' });
  assert.ok(middle.cause instanceof TypeError);
  assert.equal(Object.getOwnPropertyDescriptor(received, 'cause')!.enumerable, false);
  for (const cause of ['text', 0, null, undefined, { an: 'object' }]) {
    const { cause: receivedCause, ...rest } = await sent(new Error('x', { cause }));
    assert.deepEqual(receivedCause, cause);
    assert.deepEqual(rest, {});
  }
  assert.ok('cause' in (await sent(new Error('x', { cause: undefined }))));
  assert.equal((await sent(new Error('x', { cause: () => 1 }))).cause, '[Function: cause]');
});

test('an error that is its own cause', async () => {
  const error = new Error('round');
  error.cause = error;
  assert.equal(((await sent(error)).cause as Error).message, 'round');
});

test('an error that is a property of its own', async () => {
  const error: Error & { self?: unknown } = new Error('round');
  error.self = error;
  assert.equal(((await sent(error)).self as Error).message, 'round');
});

test('an error that is its own cause and a property of its own', async () => {
  const error: Error & { self?: unknown } = new Error('round');
  error.self = error;
  error.cause = error;
  const received = await sent(error);
  assert.equal((received.cause as Error).message, 'round');
  assert.equal((received.self as Error).message, 'round');
});

test('several errors in one', async () => {
  const inner = [
    Object.assign(new TypeError('a'), { code: 'E_A' }),
    'text',
    new AggregateError([1]),
  ];
  const received = await sent(new AggregateError(inner, 'all of them', { cause: 1 }));
  assert.ok(received instanceof AggregateError);
  assert.equal(received.message, 'all of them');
  assert.equal(received.cause, 1);
  const [first, second, third] = received.errors as [NodeJS.ErrnoException, string, AggregateError];
  assert.ok(first instanceof TypeError);
  assert.equal(first.code, 'E_A');
  assert.equal(second, 'text');
  assert.deepEqual(third.errors, [1]);
  assert.equal(Object.getOwnPropertyDescriptor(received, 'errors')!.enumerable, false);
});

test('errors inside of other values are what a structured clone makes of them', async () => {
  const reason = Object.assign(new TypeError('inner'), { code: 'E_INNER' });
  const outcomes = await Promise.allSettled([Promise.reject(reason)]);
  const [outcome] = await sent(outcomes);
  const received = (outcome as PromiseRejectedResult).reason as typeof reason;
  assert.ok(received instanceof TypeError);
  assert.equal(received.message, 'inner');
  assert.match(received.stack!, /serialize\.test/);
});

test('errors of the platform', async () => {
  const error = await sent(new DOMException('stopped', 'AbortError'));
  assert.ok(error instanceof Error);
  assert.deepEqual([error.name, error.message], ['AbortError', 'stopped']);
});

test('errors of another realm', async () => {
  const error: Error = await sent(
    runInNewContext(`Object.assign(new RangeError('r'), { code: 1 })`),
  );
  assert.ok(error instanceof RangeError);
  assert.deepEqual([error.message, Object.entries(error)], ['r', [['code', 1]]]);
});

test('functions and symbols', () => {
  assertRefused(() => 'culprit', /^\(\) => 'culprit' could not be cloned/);
  assertRefused({ deep: [class Culprit extends Map {}] }, /Culprit[^]*could not be cloned/);
  assertRefused(Symbol('culprit'), /^Symbol\(culprit\) could not be cloned/);
  assertRefused(new Map([[1, Symbol('culprit')]]), /^Symbol\(culprit\) could not be cloned/);
});

test('what cannot be copied', () => {
  assertRefused(Promise.resolve(), /Promise> could not be cloned/);
  assertRefused([new WeakMap()], /WeakMap> could not be cloned/);
  assertRefused(new WeakSet(), /WeakSet> could not be cloned/);
  assertRefused(new WeakRef({}), /WeakRef> could not be cloned/);
  assertRefused(new Proxy({}, {}), /could not be cloned/);
  assertRefused((function* culprit() {})(), /Generator\] could not be cloned/);
  assertRefused(new Intl.NumberFormat(), /NumberFormat> could not be cloned/);
  const thrower = Object.defineProperty({}, 'x', {
    enumerable: true,
    get() {
      throw new RangeError('culprit');
    },
  });
  assertRefused(thrower, /culprit/);
});

/** Their state is not in their properties: a clone would be an empty object. */
const STATEFUL: object[] = [
  new URL('http://culprit.example'),
  new URLSearchParams('culprit'),
  new Blob(['culprit']),
  new AbortController(),
  new AbortController().signal,
  AbortSignal.abort(),
  new EventTarget(),
  new Event('culprit'),
  new Headers({ culprit: '1' }),
  new Response('culprit'),
  new FormData(),
  new TextDecoder(),
  new ReadableStream(),
  performance.mark('culprit'),
  new BlockList(),
  new Process(),
];

for (const culprit of STATEFUL) {
  const { name } = culprit.constructor;
  test(`${name} would become an empty object`, () => {
    const message = new RegExp(`${name}|culprit[^]*could not be cloned`);
    assertRefused(culprit, message);
    assertRefused([{ deep: new Map([[1, { x: {}, culprit }]]) }], message);
  });
}

test('an instance of any class without properties is refused', () => {
  class Secretive {
    readonly #secret = 1;
    get secret(): number {
      return this.#secret;
    }
  }
  assertRefused(new Secretive(), /^#<Secretive> could not be cloned: its state is not/);
});

test('empty objects of no class may be sent', async () => {
  await assertSame([{}, [], new Map(), new Set(), { a: {} }]);
  assert.deepEqual(await sent(Object.create(null)), {});
});

test('a text that looks like the bytes of an empty object', async () => {
  await assertSame(['o{\0', { 'o{\0': 1 }, Buffer.from('o{\0')]);
});

test('a deep value', async () => {
  let deep: unknown[] = [];
  for (let i = 0; i < 1000; i++) deep = [deep];
  await assertSame(deep);
});
