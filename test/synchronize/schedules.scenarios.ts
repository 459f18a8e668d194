// Thousands of random schedules. More of them:
//   TRUEFORK_SCHEDULES=100000 sh scripts/test.sh schedules
import assert from 'node:assert/strict';
import { Barrier, BrokenBarrierError, Condition, Event, Lock, RLock, Semaphore } from 'truefork';
import type { Scenario, Scenarios } from '../support/scenarios.js';
import { play, PLAY_TIMEOUT, type Plan, type Random, unlessAborted } from './crew.js';
import { sharedNumbers } from './support.js';

const BOUND = 15_000;

/** One to three tasks of a process, or one that may block the thread for long. */
async function inTasks(
  random: Random,
  act: (mayBlock: boolean, task: number) => unknown,
): Promise<void> {
  const count = random.pick([1, 1, 2, 3]);
  await Promise.all(Array.from({ length: count }, (_, task) => act(count === 1, task)));
}

/**
 * A timeout for a wait that blocks: without a limit only if no other task is kept from its work.
 */
function blockFor(random: Random, mayBlock: boolean): number {
  return random.pick([0, 0.1, 1, mayBlock ? Infinity : 2]);
}

const INSIDE = 0;
const COUNT = 1;
const DONE = 2;

/**
 * The words that a lock protects: whoever is inside is there alone, unless the one before has died.
 */
class Protected {
  readonly #numbers = sharedNumbers(3);
  #killed = 0;

  enter(wasRecovered: boolean): void {
    const before = Atomics.exchange(this.#numbers, INSIDE, process.pid);
    if (!wasRecovered) assert.equal(before, 0);
  }

  /** Without Atomics: it needs the lock. */
  leave(): void {
    this.#numbers[COUNT]!++;
    this.#numbers[DONE]!++;
    assert.equal(Atomics.exchange(this.#numbers, INSIDE, 0), process.pid);
  }

  check(wasKilled: boolean): void {
    if (wasKilled) this.#killed++;
    const missing = this.#numbers[COUNT]! - this.#numbers[DONE]!;
    assert.ok(missing >= 0 && missing <= this.#killed, `${missing} missing`);
  }
}

async function checkLock(lock: Lock | RLock, wasKilled: boolean): Promise<boolean> {
  if (!wasKilled) assert.equal(lock.locked(), false);
  assert.equal(await lock.acquire(BOUND), true);
  if (!wasKilled) assert.equal(lock.recovered, false);
  return lock.recovered;
}

function locks(): Plan {
  const lock = new Lock();
  const inner = new Protected();
  const once = async (random: Random, mayBlock: boolean): Promise<void> => {
    const isOurs = random.chance(0.4)
      ? lock.acquireSync(blockFor(random, mayBlock))
      : await unlessAborted(lock.acquire(random.patience()));
    if (isOurs !== true) return;
    inner.enter(lock.recovered);
    await random.pause();
    inner.leave();
    lock.release();
  };
  return {
    act: (random) =>
      inTasks(random, async (mayBlock) => {
        for (let times = random.below(6); times > 0; times--) await once(random, mayBlock);
      }),
    async check(wasKilled) {
      inner.enter(await checkLock(lock, wasKilled));
      inner.leave();
      inner.check(wasKilled);
      lock.release();
    },
  };
}

function recursiveLocks(): Plan {
  const [lock, other] = [new RLock(), new Lock()];
  const inner = new Protected();
  const blocked = (random: Random, mayBlock: boolean): void => {
    if (!lock.acquireSync(blockFor(random, mayBlock))) return;
    inner.enter(lock.recovered);
    assert.equal(lock.acquireSync(), true);
    // Two that are held at once.
    const hasBoth = other.acquireSync(1);
    lock.release();
    inner.leave();
    lock.release();
    if (hasBoth) other.release();
  };
  const awaited = async (random: Random): Promise<void> => {
    const use = async (): Promise<void> => {
      inner.enter(lock.recovered);
      await random.pause();
      await lock.with(() => random.pause());
      inner.leave();
    };
    const isTimeout = (error: Error): void => assert.equal(error.name, 'TimeoutError');
    await unlessAborted(lock.with(use, random.patience()).catch(unlessTimeout(isTimeout)));
  };
  return {
    act: (random) =>
      inTasks(random, async (mayBlock) => {
        for (let times = random.below(5); times > 0; times--) {
          if (random.chance(0.4)) blocked(random, mayBlock);
          else await awaited(random);
        }
      }),
    async check(wasKilled) {
      inner.enter(await checkLock(lock, wasKilled));
      inner.leave();
      inner.check(wasKilled);
      lock.release();
      await checkLock(other, wasKilled);
      other.release();
    },
  };
}

/** Passes aborts on. */
function unlessTimeout(check: (error: Error) => void): (error: Error) => void {
  return (error) => {
    if (error.name === 'AbortError') throw error;
    check(error);
  };
}

function semaphores(): Plan {
  /** One more than the tasks of a process: they may die with a permit each. */
  const PERMITS = 4;
  const semaphore = new Semaphore(PERMITS);
  const numbers = sharedNumbers(1);
  const once = async (random: Random, mayBlock: boolean): Promise<void> => {
    const isOurs = random.chance(0.4)
      ? semaphore.acquireSync(blockFor(random, mayBlock))
      : await unlessAborted(semaphore.acquire(random.patience()));
    if (isOurs !== true) return;
    assert.ok(Atomics.add(numbers, INSIDE, 1) < PERMITS);
    await random.pause();
    Atomics.sub(numbers, INSIDE, 1);
    semaphore.release();
  };
  return {
    act: (random) =>
      inTasks(random, async (mayBlock) => {
        for (let times = random.below(6); times > 0; times--) await once(random, mayBlock);
      }),
    check(wasKilled) {
      const missing = PERMITS - semaphore.getValue();
      // With its tasks died those that they had, and perhaps what they were just getting.
      assert.ok(
        missing >= numbers[INSIDE]! && missing <= (wasKilled ? 3 : 0),
        `${missing} missing`,
      );
      for (let i = 0; i < missing; i++) semaphore.release();
      numbers[INSIDE] = 0;
      assert.equal(semaphore.getValue(), PERMITS);
    },
  };
}

function conditions(): Plan {
  const condition = new Condition();
  const [ITEMS, MADE, USED] = [0, 1, 2];
  const numbers = sharedNumbers(3);
  const isThere = (): boolean => numbers[ITEMS]! > 0;
  const take = (isOurs: boolean | undefined): void => {
    if (isOurs !== true) return;
    numbers[ITEMS]!--;
    numbers[USED]!++;
  };
  const make = (random: Random): void => {
    if (!condition.acquireSync(random.pick([0, 2]))) return;
    numbers[MADE]!++;
    numbers[ITEMS]!++;
    if (random.chance(0.7)) condition.notify();
    else condition.notifyAll();
    condition.release();
  };
  const consume = (random: Random): Promise<unknown> =>
    unlessAborted(
      condition.with(async () => take(await condition.waitFor(isThere, random.patience()))),
    );
  const consumeBlocked = (random: Random, mayBlock: boolean): void => {
    const timeout = blockFor(random, mayBlock);
    if (!condition.acquireSync(timeout)) return;
    take(condition.waitForSync(isThere, timeout));
    condition.release();
  };
  let looks = 0;
  return {
    act: (random) =>
      inTasks(random, async (mayBlock) => {
        for (let times = random.below(5); times > 0; times--) {
          if (random.chance(0.5)) make(random);
          else if (random.chance(0.4)) consumeBlocked(random, mayBlock);
          else await consume(random);
        }
      }),
    help(wasKilled) {
      // For those who have nothing to take. As long as there is something nobody needs help, but
      // for the case that the one who was to take it was killed.
      const isDue = wasKilled ? ++looks % 4 === 0 : !isThere();
      if (!isDue || !condition.acquireSync(0)) return;
      if (!isThere()) {
        numbers[MADE]!++;
        numbers[ITEMS]!++;
      }
      condition.notify();
      condition.release();
    },
    async check(wasKilled) {
      await condition.with(() => {
        assert.match(String(condition), /, 0\)>$/);
        const missing = numbers[MADE]! - numbers[USED]! - numbers[ITEMS]!;
        assert.ok(Math.abs(missing) <= (wasKilled ? 1 : 0), `${missing} missing`);
        numbers.fill(0);
      });
    },
  };
}

function events(): Plan {
  const event = new Event();
  const wait = async (random: Random, mayBlock: boolean): Promise<void> => {
    if (random.chance(0.4)) event.waitSync(blockFor(random, mayBlock));
    else await unlessAborted(event.wait(random.patience()));
  };
  return {
    act: (random) =>
      inTasks(random, async (mayBlock) => {
        for (let times = random.below(8); times > 0; times--) {
          const deed = random.below(4);
          if (deed === 0) event.set();
          else if (deed === 1) event.clear();
          else await wait(random, mayBlock);
        }
      }),
    help() {
      if (!event.isSet()) event.set();
    },
    check() {
      event.set();
      assert.equal(event.waitSync(0), true);
      event.clear();
    },
  };
}

function barriers(): Plan {
  const PARTIES = 4;
  const barrier = new Barrier(PARTIES);
  const [PASSED, BROKEN, GAVE_UP] = [PARTIES, PARTIES + 1, PARTIES + 2];
  const numbers = sharedNumbers(PARTIES + 3);
  const pass = async (random: Random): Promise<number> => {
    const patience = random.chance(0.2) ? random.patience() : undefined;
    if (patience !== undefined) numbers[GAVE_UP] = 1;
    if (random.chance(0.5)) return barrier.waitSync(patience?.timeout);
    return barrier.wait(patience);
  };
  return {
    async act(random) {
      await random.pause();
      try {
        Atomics.add(numbers, await pass(random), 1);
        Atomics.add(numbers, PASSED, 1);
      } catch (error) {
        const isExpected =
          error instanceof BrokenBarrierError || (error as Error).name === 'AbortError';
        if (!isExpected) throw error;
        Atomics.add(numbers, BROKEN, 1);
      }
    },
    help(wasKilled) {
      // It may have died before it came.
      if (wasKilled) barrier.abort();
    },
    check(wasKilled) {
      const mayBreak = wasKilled || numbers[GAVE_UP] === 1;
      if (!mayBreak) assert.equal(numbers[BROKEN], 0);
      if (!wasKilled) assert.ok(numbers[PASSED] === 0 || numbers[BROKEN] === 0, String(numbers));
      if (!wasKilled && numbers[PASSED] !== 0) {
        assert.deepEqual([...numbers.subarray(0, PARTIES)], [1, 1, 1, 1]);
      }
      assert.equal(barrier.nWaiting, 0);
      barrier.reset();
      numbers.fill(0);
    },
  };
}

function playing(plan: () => Plan): Scenario {
  return { run: () => play(plan()), options: { timeout: PLAY_TIMEOUT } };
}

export const scenarios: Scenarios = {
  Lock: playing(locks),
  RLock: playing(recursiveLocks),
  Semaphore: playing(semaphores),
  Condition: playing(conditions),
  Event: playing(events),
  Barrier: playing(barriers),
};
