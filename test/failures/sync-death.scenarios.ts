// kill -9 for whoever holds or waits for a lock or the like: the others go on.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import {
  Barrier,
  BoundedSemaphore,
  BrokenBarrierError,
  Condition,
  Event,
  Lock,
  RLock,
  Semaphore,
} from 'truefork';
import { _exit, fork, kill, waitpid } from 'truefork/posix';
import { until } from '../support/observe.js';
import { rounds } from '../support/rounds.js';
import type { Scenarios } from '../support/scenarios.js';
import { hang, sharedNumbers, untilWaiting } from '../synchronize/support.js';

const VICTIMS = rounds(500);
const BATCH = 20;
/** For waits that must not take long. Nobody in here waits without a limit, but for the victims. */
const BOUND = 20_000;

/** A child that does this and ends: with 1 if that fails. */
async function forked(run: () => unknown): Promise<number> {
  const pid = fork();
  if (pid === 0) {
    try {
      await run();
    } catch (error) {
      console.error(error);
      _exit(1);
    }
    _exit(0);
  }
  return pid;
}

function dies(): never {
  kill(process.pid, 'SIGKILL');
  throw new Error('still alive');
}

function killAll(pids: number[]): void {
  for (const pid of pids) kill(pid, 'SIGKILL');
  for (const pid of pids) assert.equal(waitpid(pid)!.signal, 'SIGKILL');
}

function allSucceed(pids: number[]): void {
  for (const pid of pids) assert.equal(waitpid(pid)!.exitcode, 0);
}

/** A time that passes without the thread going to sleep. */
function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

type Exclusive = Pick<Lock, 'acquire' | 'acquireSync' | 'release' | 'recovered'>;

async function holdersDie(lock: Exclusive): Promise<void> {
  const numbers = sharedNumbers(1);
  for (let i = 0; i < VICTIMS; i++) {
    numbers[0] = 0;
    const pid = await forked(async () => {
      if (i % 3 === 0) await lock.acquire();
      else lock.acquireSync();
      numbers[0] = 1;
      spin(Math.random());
      dies();
    });
    while (Atomics.load(numbers, 0) === 0);
    // It may be alive or not: this process waits, or comes later.
    if (i % 2 === 0) assert.equal(lock.acquireSync(BOUND), true);
    else assert.equal(await lock.acquire(BOUND), true);
    assert.equal(lock.recovered, true);
    lock.release();
    assert.equal(waitpid(pid)!.signal, 'SIGKILL');
  }
}

interface Waiting {
  /** The work of each, in a child. */
  sync(): unknown;
  async(): unknown;
  /** Before they are started, with nobody there. */
  prepare(): void;
  /** Until so many wait, if one can tell. */
  untilWaiting?(count: number): Promise<void>;
  /** Ends the waits of two, one of each kind, beside whom all have died. */
  serveTwo(): void;
  /** When they have ended. */
  check?(): void;
}

/** Of those who wait all but two are killed; these get what they wait for. */
async function waitersDie(waiting: Waiting): Promise<void> {
  for (let batch = 0; batch < VICTIMS / BATCH; batch++) {
    waiting.prepare();
    const pids: number[] = [];
    for (let i = 0; i < BATCH + 2; i++) {
      pids.push(await forked(i % 2 === 0 ? waiting.sync : waiting.async));
    }
    // First, last, or between the others.
    const patient = pids.splice(batch % BATCH, 2);
    // Some are about to wait, or all do.
    if (batch % 2 === 0) spin(Math.random() * 5);
    else if (waiting.untilWaiting !== undefined) await waiting.untilWaiting(BATCH + 2);
    else await Promise.all(pids.map((pid) => untilWaiting(pid)));
    killAll(pids);
    await waiting.untilWaiting?.(2);
    waiting.serveTwo();
    allSucceed(patient);
    waiting.check?.();
  }
}

function waitersOfLock(lock: Lock | RLock): Waiting {
  const numbers = sharedNumbers(1);
  const use = (): void => {
    assert.equal(lock.recovered, false);
    // Without Atomics: one at a time.
    numbers[0]!++;
    lock.release();
  };
  return {
    sync() {
      lock.acquireSync();
      use();
    },
    async async() {
      await lock.acquire();
      use();
    },
    prepare() {
      lock.acquireSync();
      numbers[0] = 0;
    },
    serveTwo: () => lock.release(),
    check() {
      assert.equal(numbers[0], 2);
      assert.equal(lock.acquireSync(0), true);
      assert.equal(lock.recovered, false);
      lock.release();
    },
  };
}

function waitersOfSemaphore(semaphore: Semaphore): Waiting {
  return {
    sync: () => semaphore.acquireSync(),
    async: () => semaphore.acquire(),
    prepare: () => assert.equal(semaphore.getValue(), 0),
    serveTwo() {
      semaphore.release();
      semaphore.release();
    },
    check: () => assert.equal(semaphore.getValue(), 0),
  };
}

function waitersOfCondition(serveTwo: (condition: Condition) => void): Waiting {
  const condition = new Condition();
  const waitingIs = (count: number): boolean => String(condition).endsWith(`, ${count})>`);
  return {
    sync: () => condition.withSync(() => condition.waitSync()),
    async: () => condition.with(() => condition.wait()),
    prepare: () => assert.equal(waitingIs(0), true),
    untilWaiting: (count) => until(() => waitingIs(count)),
    serveTwo: () => condition.withSync(() => serveTwo(condition)),
    check: () => assert.equal(waitingIs(0), true),
  };
}

function waitersOfEvent(event: Event): Waiting {
  return {
    sync: () => assert.equal(event.waitSync(), true),
    async: async () => assert.equal(await event.wait(), true),
    prepare: () => event.clear(),
    serveTwo: () => event.set(),
  };
}

async function partiesDie(): Promise<void> {
  const barrier = new Barrier(BATCH + 10);
  const broken = { name: 'BrokenBarrierError' };
  for (let killed = 0; killed < VICTIMS; killed += BATCH) {
    barrier.reset();
    const pids: number[] = [];
    for (let i = 0; i < BATCH; i++) {
      pids.push(
        await forked(async () => {
          if (i % 2 === 0) assert.throws(() => barrier.waitSync(), broken);
          else await assert.rejects(barrier.wait(), broken);
          await hang();
        }),
      );
    }
    const patient = [
      await forked(() => assert.throws(() => barrier.waitSync(), broken)),
      await forked(() => assert.rejects(barrier.wait(), broken)),
    ];
    if (killed % 40 === 0) await until(() => barrier.nWaiting === BATCH + 2);
    // Before the first dies one at least must have come.
    else await until(() => barrier.nWaiting > 0);
    const own = killed % 3 === 0 ? assert.rejects(barrier.wait(), broken) : undefined;
    // All at once, or the others see the first one go.
    for (const pid of pids) {
      kill(pid, 'SIGKILL');
      if (killed % 80 === 0) spin(0.1);
    }
    for (const pid of pids) waitpid(pid);
    // A party that had not come yet did not break it.
    if (killed % 40 !== 0) barrier.abort();
    await own;
    allSucceed(patient);
    assert.equal(barrier.broken, true);
  }
  barrier.reset();
  assert.equal(barrier.nWaiting, 0);
}

const addon = createRequire(import.meta.url)('../../../build/Release/truefork.node') as object;
const STEPS = [
  [Atomics, ['add', 'and', 'or', 'store', 'compareExchange']],
  [addon, ['wake', 'sleep', 'acquireLock', 'releaseLock', 'acquireSemaphore']],
] as const;

/** Kills this process instead of its step number `step`: a change of memory, or a call below. */
function dieAtStep(step: number): void {
  let left = step;
  for (const [object, names] of STEPS) {
    const functions = object as Record<string, (...args: unknown[]) => unknown>;
    for (const name of names) {
      const original = functions[name]!;
      functions[name] = (...args) => (left-- === 0 ? dies() : original.apply(object, args));
    }
  }
}

interface Scene {
  /** The work of the victim before the others come. */
  begin?(): void;
  /** Its work until it is killed. */
  act(): unknown;
  /** The others wait for it, in children of their own. */
  waiters: (() => unknown)[];
  untilWaiting?(): Promise<void>;
  /** For those who wait for what the victim has not done: after its end. */
  settle(): unknown;
}

const READY = 0;
const GO = 1;

/** The victim is killed at its first step, its second, and so on, until it comes to its end. */
async function killedAtEachStep(set: () => Scene): Promise<void> {
  for (let step = 0; ; step++) {
    const scene = set();
    const numbers = sharedNumbers(2);
    const victim = await forked(async () => {
      scene.begin?.();
      numbers[READY] = 1;
      while (Atomics.load(numbers, GO) === 0);
      dieAtStep(step);
      await scene.act();
    });
    while (Atomics.load(numbers, READY) === 0);
    const waiters: number[] = [];
    for (const waiter of scene.waiters) waiters.push(await forked(waiter));
    if (scene.untilWaiting !== undefined) await scene.untilWaiting();
    else await Promise.all(waiters.map((pid) => untilWaiting(pid)));
    numbers[GO] = 1;
    const { exitcode, signal } = waitpid(victim)!;
    await scene.settle();
    allSucceed(waiters);
    if (exitcode === 0) {
      assert.ok(step > 1);
      return;
    }
    assert.equal(signal, 'SIGKILL');
  }
}

function barrierScene(parties: number, act: (barrier: Barrier) => unknown): () => Scene {
  return () => {
    const barrier = new Barrier(parties);
    // Whatever it is, it must come.
    const outcome = (): undefined => undefined;
    return {
      act: () => act(barrier),
      waiters: [
        () => assert.doesNotReject(barrier.wait().catch(outcome)),
        () => {
          try {
            barrier.waitSync();
          } catch (error) {
            assert.ok(error instanceof BrokenBarrierError);
          }
        },
      ],
      untilWaiting: () => until(() => barrier.nWaiting === 2),
      settle() {
        if (!barrier.broken && barrier.nWaiting === 2) barrier.abort();
      },
    };
  };
}

export const scenarios: Scenarios = {
  'holders of a Lock': () => holdersDie(new Lock()),
  'holders of an RLock': () => holdersDie(new RLock()),
  'waiters of a Lock': () => waitersDie(waitersOfLock(new Lock())),
  'waiters of an RLock': () => waitersDie(waitersOfLock(new RLock())),
  'waiters of a Semaphore': () => waitersDie(waitersOfSemaphore(new Semaphore(0))),
  async 'waiters of a BoundedSemaphore'() {
    const semaphore = new BoundedSemaphore(2);
    semaphore.acquireSync();
    semaphore.acquireSync();
    await waitersDie(waitersOfSemaphore(semaphore));
  },
  'waiters of a Condition, and notify': () =>
    waitersDie(waitersOfCondition((condition) => condition.notify(2))),
  'waiters of a Condition, and notifyAll': () =>
    waitersDie(waitersOfCondition((condition) => condition.notifyAll())),
  'waiters of an Event': () => waitersDie(waitersOfEvent(new Event())),
  'parties of a Barrier': partiesDie,

  async 'at each step: a Lock is given back and acquired again'() {
    const locks: Lock[] = [];
    await killedAtEachStep(() => {
      const lock = new Lock();
      locks.push(lock);
      return {
        begin: () => void lock.acquireSync(),
        act() {
          lock.release();
          lock.acquireSync();
          lock.release();
        },
        waiters: [() => lock.withSync(() => {}), () => lock.with(() => {})],
        settle: () => {},
      };
    });
    for (const lock of locks) assert.equal(lock.acquireSync(BOUND), true);
  },

  'at each step: a Semaphore gets permits': () =>
    killedAtEachStep(() => {
      const semaphore = new Semaphore(0);
      return {
        act() {
          semaphore.release();
          semaphore.release();
        },
        waiters: [() => semaphore.acquireSync(), () => semaphore.acquire()],
        async settle() {
          // No permit lies about while somebody waits.
          await until(() => semaphore.getValue() === 0);
          semaphore.release();
          semaphore.release();
        },
      };
    }),

  'at each step: an Event is set': () =>
    killedAtEachStep(() => {
      const event = new Event();
      const waitSync = (): boolean => event.waitSync();
      const wait = (): Promise<boolean> => event.wait();
      return {
        act: () => event.set(),
        waiters: [waitSync, wait, waitSync, wait],
        settle() {
          if (!event.isSet()) event.set();
        },
      };
    }),

  'at each step: all are notified': () =>
    killedAtEachStep(() => {
      const condition = new Condition();
      const waiting = (): number => Number(/, (\d+)\)>$/.exec(String(condition))![1]);
      const untilWait = (count: number): Promise<void> => until(() => waiting() >= count);
      const waitSync = (): boolean => condition.withSync(() => condition.waitSync());
      const wait = (): Promise<boolean> => condition.with(() => condition.wait());
      const both = async (): Promise<void> => {
        const tasks = [wait(), wait()];
        await untilWait(2); // or else the tasks would be kept from it
        waitSync();
        await Promise.all(tasks);
      };
      return {
        act: () => condition.withSync(() => condition.notifyAll()),
        waiters: [both, () => untilWait(3).then(waitSync), () => untilWait(3).then(wait)],
        untilWaiting: () => untilWait(5),
        // Waiters that were notified, and do not know it, are not notified again.
        settle: () => condition.withSync(() => condition.notifyAll()),
      };
    }),

  'at each step: the last comes to a Barrier': () =>
    killedAtEachStep(barrierScene(3, (barrier) => barrier.waitSync())),
  'at each step: somebody comes to a Barrier, and gives up': () =>
    killedAtEachStep(
      barrierScene(4, (barrier) => assert.throws(() => barrier.waitSync(0), BrokenBarrierError)),
    ),
  'at each step: a Barrier is broken': () =>
    killedAtEachStep(barrierScene(3, (barrier) => barrier.abort())),
  'at each step: a Barrier is reset': () =>
    killedAtEachStep(barrierScene(3, (barrier) => barrier.reset())),
};
