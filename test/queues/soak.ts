// Producers and consumers of which one is killed every few milliseconds, for as many seconds
// as asked for.   node out/test/queues/soak.js [seconds]
import assert from 'node:assert/strict';
import { runTraffic } from './traffic.js';

const seconds = Number(process.argv[2] ?? 600);
const end = performance.now() + seconds * 1000;
const total = { put: 0, lost: 0, kills: 0 };

for (let round = 0; performance.now() < end; round++) {
  const outcome = await runTraffic({
    producers: 4,
    consumers: 4,
    items: 10_000_000,
    size: [4096, 65_536, 2 ** 23][round % 3]!,
    maxsize: [1, 100, 10][round % 3]!,
    kill: {
      producers: round % 4 !== 1,
      consumers: round % 4 !== 2,
      every: 4,
      isOver: (kills) => kills >= 1000 || performance.now() >= end,
    },
  });
  assert.ok(outcome.lost <= outcome.kills, JSON.stringify(outcome));
  total.put += outcome.put;
  total.lost += outcome.lost;
  total.kills += outcome.kills;
  console.log(`${Math.round((end - performance.now()) / 1000)} s left:`, total);
}
