// Values that do not fit into shared data do not come in, by whichever way.
import assert from 'node:assert/strict';
import { Manager, Pipe, RawArray, RawValue, ShareableList, SharedArray, Value } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';

const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

const any = (value: unknown): never => value as never;

function booleans(): void {
  const array = new SharedArray('?', 3);
  array.set(Uint8Array.of(1, 0, 1));
  assert.deepEqual([...array], [1, 0, 1]);
  array.set(any([true, false, 0]));
  for (const source of [Uint8Array.of(5, 6, 7), Buffer.of(2), [0, 0, 9], Float64Array.of(0.5)]) {
    assert.throws(() => array.set(any(source)), OUT_OF_RANGE);
  }
  assert.throws(() => array.set([any('1')]), WRONG_TYPE);
  assert.throws(() => array.set(0, 2), OUT_OF_RANGE);
  assert.throws(() => array.fill(2), OUT_OF_RANGE);
  assert.throws(() => array.with(0, 2), OUT_OF_RANGE);
  assert.throws(() => new SharedArray('?', Uint8Array.of(5)), OUT_OF_RANGE);
  assert.throws(() => new RawArray('?', Uint8Array.of(5)), OUT_OF_RANGE);
  assert.throws(() => (new Value('?').value = any(5)), OUT_OF_RANGE);
  assert.throws(() => new RawValue('?', any(5)), OUT_OF_RANGE);
  assert.deepEqual([...array], [1, 0, 0], 'none of it was set');
}

function characters(): void {
  const array = new SharedArray('u', 2);
  array.set(Uint32Array.of(0x1f600, 65));
  assert.equal(array.value, '😀A');
  assert.throws(() => array.set(Uint32Array.of(65, 0x110000)), OUT_OF_RANGE);
  assert.throws(() => new SharedArray('u', Uint32Array.of(0x110000)), OUT_OF_RANGE);
  const bytes = new SharedArray('c', 2);
  assert.throws(() => bytes.set([256]), OUT_OF_RANGE);
  assert.throws(() => bytes.set(Int16Array.of(-1)), OUT_OF_RANGE);
  assert.throws(() => (bytes.value = any('ab')), WRONG_TYPE);
  assert.equal(array.value, '😀A');
}

function places(): void {
  const array = new SharedArray('i', [1, 2, 3]);
  assert.throws(() => array.set(1, any(undefined)), WRONG_TYPE);
  for (const source of [{}, new Set([1]), null, undefined, true, 'x']) {
    assert.throws(() => array.set(any(source)), WRONG_TYPE);
  }
  assert.throws(() => array.set(any(Object.create(Int32Array.prototype))), WRONG_TYPE);
  assert.throws(() => array.set([1, 2, 3, 4]), OUT_OF_RANGE);
  assert.throws(() => array.set(any({ length: 2 ** 40 })), OUT_OF_RANGE);
  assert.throws(() => array.set([1, 2], 2), OUT_OF_RANGE);
  assert.throws(() => array.set([1], -1), OUT_OF_RANGE);
  assert.throws(() => array.set([1], any('1')), WRONG_TYPE);
  assert.throws(() => array.fill(0, any('1')), WRONG_TYPE);
  assert.throws(() => array.with(3, 0), OUT_OF_RANGE);
  assert.throws(() => array.with(any('0'), 0), WRONG_TYPE);
  assert.deepEqual([...array], [1, 2, 3]);
  array.set([5], 2);
  array.set({ length: 1, 0: 4 });
  assert.deepEqual([...array], [4, 2, 5]);
  assert.deepEqual(array.with(2, 6), Int32Array.of(4, 2, 6));
}

function lists(): void {
  for (const sequence of [5, {}, true, () => {}]) {
    assert.throws(() => new ShareableList(any(sequence)), WRONG_TYPE);
  }
  const list = new ShareableList([1, 'x']);
  try {
    assert.throws(() => list.set(0, any(undefined)), WRONG_TYPE);
    assert.throws(() => list.set(0, any({})), WRONG_TYPE);
    // As in Python: no sequence, and a name.
    const same = new ShareableList(null, { name: list.shm.name });
    assert.deepEqual([...same], [1, 'x']);
  } finally {
    list.shm.unlink();
  }
}

async function inAServer(): Promise<void> {
  const manager = Manager();
  const flags = manager.Array('?', 3);
  assert.throws(() => flags.set(any(Uint8Array.of(5, 6, 7))), OUT_OF_RANGE);
  assert.throws(() => (flags[0] = 2), OUT_OF_RANGE);
  assert.throws(() => (flags[3] = 1), OUT_OF_RANGE);
  assert.throws(() => flags.set(1, any(undefined)), WRONG_TYPE);
  assert.throws(() => flags.fill(2), OUT_OF_RANGE);
  assert.throws(() => (manager.Value('?').value = any(2)), OUT_OF_RANGE);
  assert.throws(() => manager.Value('i').add(any('1')), WRONG_TYPE);
  const list = manager.list([1]);
  assert.throws(() => (list.length = -1), OUT_OF_RANGE);
  assert.throws(() => (manager.dict()[any(Symbol('key'))] = 1), WRONG_TYPE);
  assert.deepEqual([...flags], [0, 0, 0]);
  await manager.shutdown();
}

function impostors(): void {
  const [a] = Pipe();
  const value = Object.create(Value.prototype) as object;
  assert.throws(() => a.sendSync(value), { code: 'ERR_TRUEFORK_NOT_CLONABLE', message: /Value/ });
  assert.throws(() => a.sendSync([value]), { code: 'ERR_TRUEFORK_NOT_CLONABLE' });
}

export const scenarios: Scenarios = {
  booleans,
  characters,
  'places, and how many': places,
  'shareable lists': lists,
  'in the server of a manager': inAServer,
  'what only looks like it': impostors,
};
