import assert from 'node:assert/strict';
import { Event, RLock, Value } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import { started } from './support.js';

const PROCESSES = 8;
const TIMES = 1_000_000;

/** All begin at once. */
async function eightTimes(count: () => unknown): Promise<void> {
  const go = new Event();
  const children = Array.from({ length: PROCESSES }, () =>
    started(() => {
      go.waitSync();
      count();
    }),
  );
  go.set();
  for (const child of children) assert.equal(await child.join(), 0);
}

export const scenarios: Scenarios = {
  async 'eight processes count to a million each, under the lock'() {
    const value = new Value('i');
    const lock = value.getLock() as RLock;
    await eightTimes(() => {
      for (let i = 0; i < TIMES; i++) {
        lock.acquireSync();
        value.value += 1;
        lock.release();
      }
    });
    assert.equal(value.value, PROCESSES * TIMES);
  },

  async 'eight processes count to a million each, atomically'() {
    const value = new Value('i');
    await eightTimes(() => {
      for (let i = 0; i < TIMES; i++) value.add(1);
    });
    assert.equal(value.value, PROCESSES * TIMES);
  },
};
