import assert from 'node:assert/strict';
import type { Scenarios } from '../support/scenarios.js';
import { runTraffic } from './traffic.js';

async function underKills(producers: boolean, consumers: boolean, size: number): Promise<void> {
  const { put, lost, kills } = await runTraffic({
    producers: 3,
    consumers: 3,
    items: 1_000_000,
    size,
    maxsize: 20,
    kill: { producers, consumers, every: 4, isOver: (count) => count >= 60 },
  });
  assert.ok(kills >= 60 && put > kills, `${kills} kills, ${put} put`);
  assert.ok(lost <= kills, `${lost} lost, ${kills} kills`);
}

export const scenarios: Scenarios = {
  async 'four and four, of all sizes: each item once, in order'() {
    const traffic = { producers: 4, consumers: 4, items: 3000, size: 4096, maxsize: 100 };
    assert.deepEqual(await runTraffic(traffic), { put: 12_000, lost: 0, kills: 0 });
  },

  async 'one and four, four and one'() {
    const traffic = { items: 4000, size: 4096, maxsize: 3 };
    const expected = { lost: 0, kills: 0 };
    const one = await runTraffic({ ...traffic, producers: 1, consumers: 4 });
    assert.deepEqual(one, { ...expected, put: 4000 });
    const other = await runTraffic({ ...traffic, producers: 4, consumers: 1 });
    assert.deepEqual(other, { ...expected, put: 16_000 });
  },

  async 'a ring that moves its items, and gives memory back'() {
    const traffic = { producers: 2, consumers: 2, items: 100, size: 2 ** 22, maxsize: 6 };
    assert.deepEqual(await runTraffic(traffic), {
      put: 200,
      lost: 0,
      kills: 0,
    });
  },

  'producers are killed': () => underKills(true, false, 4096),
  'consumers are killed': () => underKills(false, true, 4096),
  'any of them is killed': () => underKills(true, true, 4096),
  'any of them is killed, with items of hundreds of kilobytes': () =>
    underKills(true, true, 2 ** 17),
};
