// Waits for the server of a manager. It is the server that dies here.
import {
  asyncProxy,
  BaseManager,
  Manager,
  type SyncManager,
  type SyncWaitOptions,
  type WaitOptions,
} from 'truefork';
import { sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { Peer, programsOf, Raised, type Row, type Subject, Work } from './states.js';

const LOST = { is: new Raised('ERR_TRUEFORK_MANAGER_LOST') };
const TIMED_OUT = { is: new Raised('ERR_TRUEFORK_TIMEOUT') };
const FALSE = { is: false };
const PAUSE_MS = 10;

type Waits = Pick<Subject, 'wait' | 'waitSync'>;

function kill(manager: BaseManager): void {
  process.kill(manager.pid!, 'SIGKILL');
}

/** The server ends with the program, and may be gone before the peer is. */
async function whileServed(act: () => unknown): Promise<void> {
  try {
    await act();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_TRUEFORK_MANAGER_LOST') throw error;
  }
}

/** Something in a server, and a peer that uses it, too. */
function served<Proxy>(
  make: (manager: SyncManager) => Proxy,
  waits: (proxy: Proxy) => Waits,
  act: (proxy: Proxy) => unknown,
  begin: (proxy: Proxy) => unknown = () => {},
): Subject {
  const manager = Manager();
  const proxy = make(manager);
  const peer = new Peer(
    () => whileServed(() => act(proxy)),
    () => begin(proxy),
  );
  return { ...waits(proxy), act: () => peer.act(), kill: () => kill(manager) };
}

interface Acquirable {
  acquire(options?: WaitOptions): Promise<boolean>;
  acquireSync(options?: SyncWaitOptions): boolean;
  release(): void;
}

function acquired(make: (manager: SyncManager) => Acquirable): Row {
  const waits = (lock: Acquirable): Waits => ({
    wait: (options) => lock.acquire(options),
    waitSync: (options) => lock.acquireSync(options),
  });
  const release = (lock: Acquirable): void => lock.release();
  const take = (lock: Acquirable): boolean => lock.acquireSync();
  return {
    make: () => served(make, waits, release, take),
    value: true,
    timeout: FALSE,
    dead: LOST,
  };
}

function entering(): Subject {
  return served(
    (manager) => manager.Lock(),
    (lock) => ({
      wait: (options) => lock.with(() => 'inside', options),
      waitSync: (options) => lock.withSync(() => 'inside', options),
    }),
    (lock) => lock.release(),
    (lock) => lock.acquireSync(),
  );
}

function waitingForNews(): Subject {
  return served(
    (manager) => manager.Condition(),
    (condition) => ({
      wait: (options) => condition.with(() => condition.wait(options)),
      waitSync: (options) => condition.withSync(() => condition.waitSync(options)),
    }),
    async (condition) => {
      for (;;) {
        condition.withSync(() => condition.notifyAll());
        await sleep(PAUSE_MS);
      }
    },
  );
}

function waitingForEvent(): Subject {
  return served(
    (manager) => manager.Event(),
    (event) => ({
      wait: (options) => event.wait(options),
      waitSync: (options) => event.waitSync(options),
    }),
    (event) => event.set(),
  );
}

function meeting(): Subject {
  const isPlace = (place: number): boolean => place === 0 || place === 1;
  return served(
    (manager) => manager.Barrier(2),
    (barrier) => ({
      wait: async () => isPlace(await barrier.wait()),
      waitSync: () => isPlace(barrier.waitSync()),
    }),
    (barrier) => barrier.waitSync(),
  );
}

function getting(): Subject {
  return served(
    (manager) => manager.Queue(),
    (queue) => ({
      wait: (options) => queue.get(options),
      waitSync: (options) => queue.getSync(options),
    }),
    (queue) => queue.putSync('hello'),
  );
}

function gettingByAsyncProxy(): Subject {
  return served(
    (manager) => manager.Queue(),
    (queue) => ({ wait: (options) => asyncProxy(queue).get(options) }),
    (queue) => queue.putSync('hello'),
  );
}

function putting(): Subject {
  return served(
    (manager) => manager.Queue(1),
    (queue) => ({
      wait: (options) => queue.put('hello', options),
      waitSync: (options) => queue.putSync('hello', options),
    }),
    (queue) => queue.getSync(),
    (queue) => queue.putSync('first'),
  );
}

function joiningQueue(): Subject {
  return served(
    (manager) => manager.JoinableQueue(),
    (queue) => ({
      wait: (options) => queue.join(options),
      waitSync: (options) => queue.joinSync(options),
    }),
    (queue) => {
      queue.getSync();
      queue.taskDone();
    },
    (queue) => queue.putSync('work'),
  );
}

/** A method that takes its time, in the server. */
function calling(): Subject {
  const work = new Work();
  class Worker {
    run(): Promise<string> {
      return work.run();
    }
  }
  class Workers extends BaseManager {
    declare Worker: () => { run(): string };
  }
  Workers.register('Worker', Worker);
  const manager = new Workers().start();
  const worker = manager.Worker();
  return {
    wait: () => asyncProxy(worker).run(),
    waitSync: () => worker.run(),
    act: () => work.act(),
    kill: () => kill(manager),
  };
}

function asking(): Subject {
  const manager = Manager();
  const dict = manager.dict({ x: 1 });
  return {
    wait: () => asyncProxy(dict).get('x'),
    waitSync: () => dict['x'],
    act: () => {},
    kill: () => killNow(manager),
  };
}

function killNow(manager: BaseManager): void {
  kill(manager);
  manager.joinSync();
}

function connecting(): Subject {
  const manager = Manager();
  const client = new BaseManager({ address: manager.address });
  return {
    wait: async () => (await client.connect()) === client,
    waitSync: () => client.connectSync() === client,
    act: () => {},
    kill: () => killNow(manager),
  };
}

function shuttingDown(): Subject {
  const manager = Manager();
  return {
    wait: () => manager.shutdown(),
    waitSync: () => manager.shutdownSync(),
    act: () => {},
    kill: () => kill(manager),
  };
}

function joining(): Subject {
  const manager = Manager();
  const peer = new Peer(() => kill(manager));
  return {
    wait: (options) => manager.join(options),
    waitSync: (options) => manager.joinSync(options),
    act: () => peer.act(),
    kill: () => kill(manager),
  };
}

const EMPTY = { is: new Raised('ERR_TRUEFORK_EMPTY') };
const FULL = { is: new Raised('ERR_TRUEFORK_FULL') };
const KILLED = { is: -9 };

const rows: Record<string, Row> = {
  'Lock.acquire': acquired((manager) => manager.Lock()),
  'RLock.acquire': acquired((manager) => manager.RLock()),
  'Semaphore.acquire': acquired((manager) => manager.Semaphore()),
  'BoundedSemaphore.acquire': acquired((manager) => manager.BoundedSemaphore()),
  'asyncProxy(queue).get': {
    make: gettingByAsyncProxy,
    value: 'hello',
    isPromised: true,
    isUnabortable: true,
    timeout: EMPTY,
    dead: LOST,
  },
  'Lock.with': { make: entering, value: 'inside', timeout: TIMED_OUT, dead: LOST },
  'Condition.wait': { make: waitingForNews, value: true, timeout: FALSE, dead: LOST },
  'Event.wait': { make: waitingForEvent, value: true, timeout: FALSE, dead: LOST },
  'Barrier.wait': { make: meeting, value: true, isUnabortable: true, dead: LOST },
  'Queue.get': { make: getting, value: 'hello', timeout: EMPTY, dead: LOST },
  'Queue.put': { make: putting, value: undefined, timeout: FULL, dead: LOST },
  'JoinableQueue.join': { make: joiningQueue, value: true, timeout: FALSE, dead: LOST },
  'a method': { make: calling, value: 'done', isUnabortable: true, dead: LOST },
  'an entry': { make: asking, value: 1, isUnabortable: true, dead: LOST, isQuick: true },
  connect: { make: connecting, value: true, isUnabortable: true, dead: LOST, isQuick: true },
  shutdown: {
    make: shuttingDown,
    value: undefined,
    isUnabortable: true,
    dead: { is: undefined },
    isOwn: true,
    isQuick: true,
  },
  join: { make: joining, value: -9, timeout: { is: null }, dead: KILLED, isOwn: true },
};

export const scenarios: Scenarios = programsOf(rows);
