// Calls that wait at locks and the like, and at the locks of shared data.
import {
  Barrier,
  BoundedSemaphore,
  Condition,
  Event,
  Lock,
  RawValue,
  RLock,
  Semaphore,
  SharedArray,
  type SyncWaitOptions,
  Value,
  type WaitOptions,
} from 'truefork';
import { sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { Peer, programsOf, Raised, type Row, type Subject } from './states.js';

const FALSE = { is: false };
const TIMED_OUT = { is: new Raised('ERR_TRUEFORK_TIMEOUT') };
const BROKEN = { is: new Raised('ERR_TRUEFORK_BROKEN_BARRIER') };
/** Between the calls of one that notifies again and again, in milliseconds. */
const PAUSE_MS = 10;

interface Acquirable {
  acquire(options: WaitOptions): Promise<boolean>;
  acquireSync(options?: SyncWaitOptions): boolean;
  release(): void;
}

interface Enterable extends Acquirable {
  with<T>(fn: () => T, options?: WaitOptions): Promise<Awaited<T>>;
  withSync<T>(fn: () => T, options?: SyncWaitOptions): T;
}

/** One that the peer holds until it acts. */
function held(lock: Acquirable): Pick<Subject, 'act' | 'kill'> {
  const peer = new Peer(
    () => lock.release(),
    () => lock.acquireSync(),
  );
  return { act: () => peer.act(), kill: () => peer.kill() };
}

function acquiring(lock: Acquirable): Subject {
  return {
    ...held(lock),
    wait: (options) => lock.acquire(options),
    waitSync: (options) => lock.acquireSync(options),
  };
}

function entering(lock: Enterable): Subject {
  return {
    ...held(lock),
    wait: (options) => lock.with(() => 'inside', options),
    waitSync: (options) => lock.withSync(() => 'inside', options),
  };
}

function enteringShared(value: Value | SharedArray): Subject {
  return {
    ...held(value.getLock()),
    wait: () => value.with(() => 'inside'),
    waitSync: () => value.withSync(() => 'inside'),
  };
}

/** A condition, about which the peer notifies until somebody has heard it. */
function notified(condition: Condition, change: () => void): Pick<Subject, 'act' | 'kill'> {
  const peer = new Peer(async () => {
    for (;;) {
      condition.withSync(() => {
        change();
        condition.notifyAll();
      });
      await sleep(PAUSE_MS);
    }
  });
  return { act: () => peer.act(), kill: () => peer.kill() };
}

function waitingForNews(): Subject {
  const condition = new Condition();
  return {
    ...notified(condition, () => {}),
    wait: (options) => condition.with(() => condition.wait(options)),
    waitSync: (options) => condition.withSync(() => condition.waitSync(options)),
  };
}

function waitingForChange(): Subject {
  const condition = new Condition();
  const state = new RawValue('i', 0);
  const isChanged = (): boolean => state.value === 1;
  return {
    ...notified(condition, () => (state.value = 1)),
    wait: (options) => condition.with(() => condition.waitFor(isChanged, options)),
    waitSync: (options) => condition.withSync(() => condition.waitForSync(isChanged, options)),
  };
}

function waitingForEvent(): Subject {
  const event = new Event();
  const peer = new Peer(() => event.set());
  return {
    wait: (options) => event.wait(options),
    waitSync: (options) => event.waitSync(options),
    act: () => peer.act(),
    kill: () => peer.kill(),
  };
}

function meeting(): Subject {
  const barrier = new Barrier(2);
  const peer = new Peer(() => barrier.waitSync());
  // Whose turn it was is left to chance.
  const isPlace = (place: number): boolean => place === 0 || place === 1;
  return {
    wait: async (options) => isPlace(await barrier.wait(options)),
    waitSync: (options) => isPlace(barrier.waitSync(options)),
    act: () => peer.act(),
    kill: () => peer.kill(),
    recover: () => barrier.reset(),
  };
}

/** A dead owner leaves a lock to the next one, but not what it has taken from a semaphore. */
function acquired(make: () => Acquirable, isLeft: boolean): Row {
  return { make: () => acquiring(make()), value: true, timeout: FALSE, dead: { is: isLeft } };
}

function entered(make: () => Enterable, dead: { is: unknown }): Row {
  return { make: () => entering(make()), value: 'inside', timeout: TIMED_OUT, dead };
}

function enteredShared(make: () => Value | SharedArray): Row {
  return {
    make: () => enteringShared(make()),
    value: 'inside',
    isUnabortable: true,
    dead: INSIDE,
  };
}

const INSIDE = { is: 'inside' };

const rows: Record<string, Row> = {
  'Lock.acquire': acquired(() => new Lock(), true),
  'RLock.acquire': acquired(() => new RLock(), true),
  'Semaphore.acquire': acquired(() => new Semaphore(), false),
  'BoundedSemaphore.acquire': acquired(() => new BoundedSemaphore(), false),
  'Condition.acquire': acquired(() => new Condition(), true),
  'Lock.with': entered(() => new Lock(), INSIDE),
  'RLock.with': entered(() => new RLock(), INSIDE),
  'Semaphore.with': entered(() => new Semaphore(), TIMED_OUT),
  'BoundedSemaphore.with': entered(() => new BoundedSemaphore(), TIMED_OUT),
  'Condition.with': entered(() => new Condition(), INSIDE),
  'Condition.wait': { make: waitingForNews, value: true, timeout: FALSE, dead: FALSE },
  'Condition.waitFor': { make: waitingForChange, value: true, timeout: FALSE, dead: FALSE },
  'Event.wait': { make: waitingForEvent, value: true, timeout: FALSE, dead: FALSE },
  'Barrier.wait': { make: meeting, value: true, timeout: BROKEN, dead: BROKEN },
  'Value.with': enteredShared(() => new Value('i', 0)),
  'SharedArray.with': enteredShared(() => new SharedArray('i', 1)),
  'the lock of a Value': acquired(() => new Value('i', 0).getLock(), true),
};

export const scenarios: Scenarios = programsOf(rows);
