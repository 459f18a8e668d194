import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { Event } from 'truefork';
import { _exit, fork } from 'truefork/posix';
import { sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import {
  ENDED_BY_ITSELF,
  exitcodeAfterFork,
  isSettled,
  kill,
  started,
  startedWaiting,
  succeeds,
  untilWaiting,
} from './support.js';

export const scenarios: Scenarios = {
  async 'unset, set, cleared, and set by a child'() {
    const event = new Event();
    assert.equal(event.isSet(), false);
    assert.equal(event.waitSync(0), false);
    assert.equal(event.waitSync(10), false);
    assert.equal(await event.wait({ timeout: 0 }), false);
    assert.equal(await event.wait(10), false);
    event.set();
    event.set();
    assert.equal(event.isSet(), true);
    for (const timeout of [-1, 0, 10, Infinity]) {
      assert.equal(event.waitSync(timeout), true);
      assert.equal(await event.wait({ timeout }), true);
    }
    event.clear();
    event.clear();
    assert.equal(event.isSet(), false);
    assert.equal(event.waitSync(0), false);
    const child = started(() => event.set());
    assert.equal(event.waitSync(), true);
    assert.equal(await child.join(), 0);
  },

  async 'all who wait are woken'() {
    const event = new Event();
    const children = [];
    for (let i = 0; i < 3; i++) {
      children.push(await startedWaiting(() => assert.equal(event.waitSync(), true)));
      children.push(await startedWaiting(async () => assert.equal(await event.wait(), true)));
    }
    const own = [event.wait(), event.wait(15_000)];
    await untilWaiting();
    event.set();
    assert.deepEqual(await Promise.all(own), [true, true]);
    for (const child of children) assert.equal(await child.join(), 0);
  },

  async 'one that is cleared at once is not missed'() {
    const event = new Event();
    for (let round = 0; round < 5; round++) {
      const blocked = await startedWaiting(() => assert.equal(event.waitSync(15_000), true));
      const waiting = await startedWaiting(async () => assert.equal(await event.wait(), true));
      const own = event.wait();
      await untilWaiting();
      event.set();
      event.clear();
      assert.equal(await own, true);
      assert.equal(await blocked.join(), 0);
      assert.equal(await waiting.join(), 0);
      assert.equal(event.waitSync(0), false);
    }
  },

  async 'an abort ends one wait, not the others'() {
    const event = new Event();
    const reason = new Error('enough');
    const failure = { name: 'AbortError', cause: reason };
    await assert.rejects(event.wait({ signal: AbortSignal.abort(reason) }), failure);
    const controller = new AbortController();
    const aborted = event.wait({ signal: controller.signal });
    const other = event.wait();
    await untilWaiting();
    controller.abort(reason);
    await assert.rejects(aborted, failure);
    assert.equal(await isSettled(other), false);
    const again = event.wait();
    event.set();
    assert.equal(await other, true);
    assert.equal(await again, true);
    await assert.rejects(event.wait({ signal: controller.signal }), failure);
  },

  async 'two processes take turns'() {
    const [ping, pong] = [new Event(), new Event()];
    const child = started(async () => {
      for (let i = 0; i < 100; i++) {
        if (i % 2 === 0) await ping.wait();
        else ping.waitSync();
        ping.clear();
        pong.set();
      }
    });
    for (let i = 0; i < 100; i++) {
      ping.set();
      if (i % 3 === 0) await pong.wait();
      else pong.waitSync();
      pong.clear();
    }
    assert.equal(await child.join(), 0);
  },

  'says whether it is set'() {
    const event = new Event();
    assert.equal(String(event), '<Event unset>');
    event.set();
    assert.equal(inspect(event), '<Event set>');
  },

  async 'a waiter that dies costs the others nothing'() {
    const event = new Event();
    const wait = [() => event.waitSync(), () => event.wait()];
    const dying = await Promise.all([...wait, ...wait].map(startedWaiting));
    const patient = await Promise.all(wait.map(startedWaiting));
    for (const child of dying) await kill(child);
    event.set();
    for (const child of patient) assert.equal(await child.join(), 0);
  },

  async 'a child does not wait where its parent does'() {
    const event = new Event();
    const own = event.wait();
    const timed = event.wait(15_000);
    await untilWaiting();
    const look = (): void => assert.equal(event.waitSync(2), false);
    await succeeds(look);
    assert.equal(await exitcodeAfterFork(() => _exit(ENDED_BY_ITSELF)), ENDED_BY_ITSELF);
    const child = await startedWaiting(async () => assert.equal(await event.wait(), true));
    const grandchild = started(() => succeeds(() => event.wait()));
    await sleep(10);
    event.set();
    assert.deepEqual(await Promise.all([own, timed]), [true, true]);
    assert.equal(await child.join(), 0);
    assert.equal(await grandchild.join(), 0);
  },

  async 'the process lives while a task waits, and no longer'() {
    const event = new Event();
    if (fork() === 0) {
      await sleep(50);
      event.set();
      _exit(0);
    }
    assert.equal(await event.wait(), true);
    event.clear();
    assert.equal(await event.wait(1), false);
  },

  'a process that ends while its thread waits': {
    async run() {
      void new Event().wait();
      await untilWaiting();
      process.exit(3);
    },
    code: 3,
  },
};
