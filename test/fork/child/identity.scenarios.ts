// The identity of a child: a process of its own, with things that it still has of its parent.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import crypto from 'node:crypto';
import { readFileSync } from 'node:fs';
import { inChild } from 'truefork';
import { getppid } from 'truefork/posix';
import { isRunning, sleep } from '../../support/observe.js';
import type { Scenarios } from '../../support/scenarios.js';
import { hang, parent, started, succeeds } from './support.js';

/** Every source of random numbers, used twice. */
function randomNumbers(): string[] {
  const some = (): unknown[] => [
    Math.random(),
    crypto.randomInt(2 ** 47),
    crypto.randomUUID(),
    crypto.randomBytes(16).toString('hex'),
    crypto.randomFillSync(new Uint32Array(4)).join(),
    crypto.getRandomValues(new Uint32Array(4)).join(),
    globalThis.crypto.getRandomValues(new Uint32Array(4)).join(),
    globalThis.crypto.randomUUID(),
  ];
  return [...some(), ...some()].map(String);
}

async function randomNumbersLater(): Promise<string[]> {
  const asynchronous = [
    await new Promise<number>((resolve, reject) => {
      crypto.randomInt(2 ** 47, (error, value) => (error ? reject(error) : resolve(value)));
    }),
    await new Promise<string>((resolve, reject) => {
      crypto.randomBytes(16, (error, bytes) =>
        error ? reject(error) : resolve(bytes.toString('hex')),
      );
    }),
  ];
  return [...randomNumbers(), ...asynchronous.map(String)];
}

export const scenarios: Scenarios = {
  async 'process.exitCode is not inherited'() {
    process.exitCode = 5;
    await succeeds(() => assert.equal(process.exitCode, undefined));
    await succeeds(() => process.exit());
    await succeeds(() => succeeds(() => {}));
    assert.equal(process.exitCode, 5);
    process.exitCode = 0;
  },

  async pids() {
    assert.equal(process.pid, parent);
    await succeeds(async () => {
      const { pid } = process;
      assert.notEqual(pid, parent);
      assert.equal(process.ppid, parent);
      assert.equal(Number(readFileSync('/proc/self/stat', 'utf8').split(' ')[0]), pid);
      await succeeds(() => {
        assert.notEqual(process.pid, pid);
        assert.equal(process.ppid, pid);
        assert.equal(getppid(), pid);
      });
      assert.equal(process.pid, pid);
      // Some programs set it.
      assert.equal(Object.getOwnPropertyDescriptor(process, 'pid')!.configurable, true);
    });
    assert.equal(process.pid, parent);
  },

  async "random numbers are nobody else's"() {
    // So that there are caches, half used.
    randomNumbers();
    const family = (): Promise<string[][]> =>
      Promise.all(
        Array.from({ length: 4 }, () =>
          inChild(async () => [
            ...(await randomNumbersLater()),
            ...(await inChild(randomNumbersLater)),
            ...(await inChild(randomNumbersLater)),
            ...randomNumbers(),
          ]),
        ),
      );
    const all = [...(await family()), await randomNumbersLater(), ...(await family())].flat();
    assert.equal(new Set(all).size, all.length);
  },

  async 'Math.random() is as random as ever'() {
    const buckets = await inChild(() => {
      const counts = Array.from({ length: 10 }, () => 0);
      for (let i = 0; i < 100_000; i++) counts[Math.floor(Math.random() * 10)]!++;
      return counts;
    });
    assert.equal(buckets.length, 10);
    // Ten standard deviations.
    for (const count of buckets) assert.ok(Math.abs(count - 10_000) < 1000, String(buckets));
  },

  async 'asynchronous context'() {
    const storage = new AsyncLocalStorage<string>();
    const other = new AsyncLocalStorage<number>();
    await succeeds(() => assert.equal(storage.getStore(), undefined));
    await storage.run('outer', async () => {
      await sleep(1);
      const child = other.run(1, () =>
        started(async () => {
          const seen = (): unknown[] => [storage.getStore(), other.getStore()];
          assert.deepEqual(seen(), ['outer', 1]);
          setTimeout(() => assert.deepEqual(seen(), ['outer', 1]), 1);
          process.nextTick(() => assert.deepEqual(seen(), ['outer', 1]));
          await storage.run('inner', async () => {
            await succeeds(() => assert.deepEqual(seen(), ['inner', 1]));
            assert.deepEqual(seen(), ['inner', 1]);
          });
          assert.deepEqual(seen(), ['outer', 1]);
          assert.equal(await inChild(() => storage.getStore()), 'outer');
        }),
      );
      assert.equal(storage.getStore(), 'outer');
      assert.equal(other.getStore(), undefined);
      assert.equal(await child.join(), 0);
      assert.equal(storage.getStore(), 'outer');
    });
  },

  async 'the parent sees its children and they do not see each other'() {
    const first = started(hang);
    const second = started(() => assert.equal(isRunning(first.pid!), true));
    assert.equal(await second.join(), 0);
    first.kill();
    assert.equal(await first.join(), -9);
    assert.equal(isRunning(first.pid!), false);
  },
};
