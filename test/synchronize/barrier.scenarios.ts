import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { Barrier, BrokenBarrierError, type BarrierOptions, type Process } from 'truefork';
import { _exit, fork, waitpid } from 'truefork/posix';
import { sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { kill, sharedNumbers, started, succeeds } from './support.js';

const PARTIES = 5;
const BROKEN = { name: 'BrokenBarrierError', code: 'ERR_TRUEFORK_BROKEN_BARRIER' };

/** Runs it in so many processes, this one included; each is told whether to block. */
async function everywhere(run: (useSync: boolean) => unknown, parties = PARTIES): Promise<void> {
  const children = Array.from({ length: parties - 1 }, (_, i) => started(() => run(i % 2 === 0)));
  await run(false);
  for (const child of children) assert.equal(await child.join(), 0);
}

async function pass(barrier: Barrier, useSync: boolean, options?: number): Promise<number> {
  return useSync ? barrier.waitSync(options) : barrier.wait(options);
}

async function breaks(barrier: Barrier, useSync: boolean, options?: number): Promise<void> {
  await assert.rejects(pass(barrier, useSync, options), BROKEN);
}

function untilThereAre(barrier: Barrier, count: number): Promise<void> {
  return until(() => barrier.nWaiting === count);
}

/** Children that wait, one of them blocked. */
async function waitersOf(barrier: Barrier, check = breaks): Promise<Process[]> {
  const children = [true, false].map((useSync) => started(() => check(barrier, useSync)));
  await untilThereAre(barrier, 2);
  return children;
}

async function allSucceed(children: Process[]): Promise<void> {
  for (const child of children) assert.equal(await child.join(), 0);
}

async function lockStep(times: number): Promise<void> {
  const barrier = new Barrier(PARTIES);
  const counts = sharedNumbers(times);
  await everywhere(async (useSync) => {
    for (let i = 0; i < times; i++) {
      Atomics.add(counts, i, 1);
      await pass(barrier, useSync);
      assert.equal(counts[i], PARTIES);
    }
  });
  assert.equal(barrier.nWaiting, 0);
  assert.equal(barrier.broken, false);
}

export const scenarios: Scenarios = {
  'all go on when all have come': () => lockStep(1),
  'ten times': () => lockStep(10),
  'a thousand times': () => lockStep(1000),

  async 'each is told which it was'() {
    const barrier = new Barrier(PARTIES);
    const seen = sharedNumbers(PARTIES);
    await everywhere(async (useSync) => Atomics.add(seen, await pass(barrier, useSync), 1));
    assert.deepEqual([...seen], [1, 1, 1, 1, 1]);
  },

  async 'tasks of one process'() {
    const barrier = new Barrier(4);
    for (let round = 0; round < 3; round++) {
      const indexes = await Promise.all([1, 2, 3, 4].map(() => barrier.wait()));
      assert.deepEqual(indexes, [0, 1, 2, 3]);
    }
    const child = started(() => Promise.all([barrier.wait(), barrier.wait()]));
    await untilThereAre(barrier, 2);
    const own = barrier.wait();
    assert.equal(barrier.waitSync(), 3);
    assert.equal(await own, 2);
    assert.equal(await child.join(), 0);
    assert.equal(new Barrier(1).waitSync(), 0);
  },

  async 'more come than there is room for'() {
    const barrier = new Barrier(2);
    const children = [];
    for (let i = 0; i < 6; i++) children.push(started(() => pass(barrier, i % 2 === 0)));
    await allSucceed(children);
    assert.equal(barrier.nWaiting, 0);
  },

  async 'the action runs once, before any goes on'() {
    const runs = sharedNumbers(2);
    const action = async (): Promise<void> => {
      runs[0]!++;
      await sleep(1);
      runs[1]!++;
    };
    const barrier = new Barrier(PARTIES, { action });
    await everywhere(async () => {
      await barrier.wait();
      assert.deepEqual([...runs], [1, 1]);
    });
    const sync = new Barrier(PARTIES, { action: () => void runs[0]!++ });
    await everywhere(async (useSync) => {
      await pass(sync, useSync);
      assert.equal(runs[0], 2);
    });
  },

  async 'an action that throws breaks it, and throws where it ran'() {
    const failure = new Error('in the action');
    for (const useSync of [true, false]) {
      const action = (): never => {
        throw failure;
      };
      const barrier = new Barrier(3, { action });
      const children = await waitersOf(barrier);
      await assert.rejects(pass(barrier, useSync), failure);
      await allSucceed(children);
      assert.equal(barrier.broken, true);
    }
  },

  async 'abort breaks it for those who wait and those who come'() {
    const barrier = new Barrier(PARTIES);
    const children = await waitersOf(barrier);
    barrier.abort();
    await allSucceed(children);
    assert.equal(barrier.broken, true);
    assert.equal(barrier.nWaiting, 0);
    await everywhere((useSync) => breaks(barrier, useSync));
    barrier.abort();
    assert.throws(() => barrier.waitSync(), BrokenBarrierError);
  },

  async 'a reset sends away those who wait, and all begins anew'() {
    const barrier = new Barrier(PARTIES);
    const children = await waitersOf(barrier);
    barrier.reset();
    await allSucceed(children);
    assert.equal(barrier.broken, false);
    assert.equal(barrier.nWaiting, 0);
    await everywhere((useSync) => pass(barrier, useSync));
  },

  async 'works again after abort and reset'() {
    const barrier = new Barrier(3);
    for (let round = 0; round < 3; round++) {
      const children = await waitersOf(barrier);
      barrier.abort();
      await allSucceed(children);
      barrier.reset();
      assert.equal(barrier.broken, false);
      await everywhere((useSync) => pass(barrier, useSync), 3);
    }
  },

  async 'a timeout breaks it for all'() {
    for (const useSync of [true, false]) {
      const barrier = new Barrier(4);
      const children = await waitersOf(barrier);
      await breaks(barrier, useSync, 20);
      await allSucceed(children);
      assert.equal(barrier.broken, true);
      assert.equal(barrier.nWaiting, 0);
    }
    const impatient = new Barrier(2);
    await breaks(impatient, true, 0);
    impatient.reset();
    await breaks(impatient, false, -1);
  },

  async 'a timeout of its own'() {
    const barrier = new Barrier(2, { timeout: 20 });
    await breaks(barrier, true);
    barrier.reset();
    await breaks(barrier, false);
    barrier.reset();
    const own = barrier.wait(20_000);
    await succeeds(() => barrier.waitSync());
    assert.equal(await own, 0);
  },

  async 'an abort signal breaks it for all'() {
    const barrier = new Barrier(4);
    const children = await waitersOf(barrier);
    const gone = { signal: AbortSignal.abort() };
    await assert.rejects(barrier.wait(gone), { name: 'AbortError' });
    // It had not come.
    assert.equal(barrier.broken, false);
    const controller = new AbortController();
    const own = barrier.wait({ signal: controller.signal });
    controller.abort();
    await assert.rejects(own, { name: 'AbortError' });
    await allSucceed(children);
    assert.equal(barrier.broken, true);
  },

  'arguments are checked'() {
    for (const parties of [0, -1, 1.5]) {
      assert.throws(() => new Barrier(parties), { code: 'ERR_OUT_OF_RANGE' });
    }
    const wrong = { code: 'ERR_INVALID_ARG_TYPE' };
    assert.throws(() => new Barrier('2' as never), wrong);
    const options: BarrierOptions[] = [{ action: 1 as never }, { timeout: '1' as never }];
    for (const each of options) assert.throws(() => new Barrier(2, each), wrong);
    assert.throws(() => new Barrier(2).waitSync(null as never), wrong);
  },

  async 'says how many wait'() {
    const barrier = new Barrier(2);
    assert.equal(String(barrier), '<Barrier(parties=2, waiting=0)>');
    const own = barrier.wait();
    assert.equal(inspect(barrier), '<Barrier(parties=2, waiting=1)>');
    barrier.abort();
    await assert.rejects(own, BROKEN);
    assert.equal(String(barrier), '<Barrier(parties=2, broken)>');
  },

  async 'one that dies while it waits breaks it'() {
    for (const useSync of [true, false]) {
      const barrier = new Barrier(4);
      const dying = started(() => pass(barrier, useSync));
      await untilThereAre(barrier, 1);
      const children = [true, false].map((each) => started(() => breaks(barrier, each)));
      await untilThereAre(barrier, 3);
      await kill(dying);
      await allSucceed(children);
      assert.equal(barrier.broken, true);
      barrier.reset();
      await everywhere((each) => pass(barrier, each), 4);
    }
  },

  async 'one that dies in its action breaks it'() {
    const action = (): void => process.kill(process.pid, 'SIGKILL') as never;
    const barrier = new Barrier(3, { action });
    const children = await waitersOf(barrier);
    assert.equal(await started(() => barrier.waitSync()).join(), -9);
    await allSucceed(children);
  },

  async 'a child has not come where its parent has'() {
    const barrier = new Barrier(3);
    const own = barrier.wait();
    await succeeds(() => assert.equal(barrier.nWaiting, 1));
    const children = [true, false].map((useSync) =>
      started(() => (useSync ? succeeds(() => pass(barrier, true)) : pass(barrier, false))),
    );
    assert.equal(await own, 0);
    await allSucceed(children);
  },

  async 'a child of posix.fork() whose copy of a wait ends breaks nothing'() {
    const barrier = new Barrier(2);
    const controller = new AbortController();
    const own = barrier.wait({ signal: controller.signal });
    const pid = fork();
    if (pid === 0) {
      controller.abort();
      await assert.rejects(own, { name: 'AbortError' });
      assert.equal(barrier.broken, false);
      assert.equal(barrier.nWaiting, 1);
      _exit(0);
    }
    assert.equal(waitpid(pid)!.exitcode, 0);
    assert.equal(barrier.broken, false);
    assert.equal(barrier.waitSync(), 1);
    assert.equal(await own, 0);
  },

  'a process that ends while its thread waits': {
    async run() {
      const barrier = new Barrier(2);
      void barrier.wait();
      await sleep(20);
      process.exit(3);
    },
    code: 3,
  },
};
