// Calls that wait at queues.
import {
  JoinableQueue,
  Queue,
  SimpleQueue,
  type SyncWaitOptions,
  type WaitOptions,
} from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import { Peer, programsOf, Raised, type Row, type Subject } from './states.js';

const EMPTY = { is: new Raised('ERR_TRUEFORK_EMPTY') };
const FULL = { is: new Raised('ERR_TRUEFORK_FULL') };
const FALSE = { is: false };
/** The room in the small queues, in bytes. */
const SMALL = 2 ** 16;
/** Larger than the rest of a small queue when there is one, in bytes. */
const LARGE_BYTES = SMALL * 0.75;

interface AnyQueue {
  put(value: unknown, options?: WaitOptions): Promise<void>;
  putSync(value: unknown, options?: SyncWaitOptions): void;
  get(options?: WaitOptions): Promise<unknown>;
  getSync(options?: SyncWaitOptions): unknown;
}

function getting(queue: AnyQueue): Subject {
  const peer = new Peer(() => queue.putSync('hello'));
  return {
    wait: (options) => queue.get(options),
    waitSync: (options) => queue.getSync(options),
    act: () => peer.act(),
    kill: () => peer.kill(),
  };
}

function takeAll(queue: AnyQueue): void {
  for (;;) queue.getSync();
}

/** A queue that has no room for `item` until the peer takes what is in it. */
function putting(queue: AnyQueue, item: unknown): Subject {
  queue.putSync(item);
  const peer = new Peer(() => takeAll(queue));
  return {
    wait: (options) => queue.put(item, options),
    waitSync: (options) => queue.putSync(item, options),
    act: () => peer.act(),
    kill: () => peer.kill(),
  };
}

/** One that this process has put more into than there is memory for. */
function flushing(): Subject {
  const queue = new Queue<Buffer>(0, { size: SMALL });
  const peer = new Peer(() => takeAll(queue));
  for (let i = 0; i < 3; i++) queue.putSync(Buffer.alloc(LARGE_BYTES));
  queue.close();
  return {
    wait: (options) => queue.joinThread(options),
    waitSync: (options) => queue.joinThreadSync(options),
    act: () => peer.act(),
    kill: () => peer.kill(),
    finish: () => queue.cancelJoinThread(),
  };
}

function joining(): Subject {
  const queue = new JoinableQueue<string>();
  queue.putSync('work');
  const peer = new Peer(() => {
    queue.getSync();
    queue.taskDone();
  });
  return {
    wait: (options) => queue.join(options),
    waitSync: (options) => queue.joinSync(options),
    act: () => peer.act(),
    kill: () => peer.kill(),
  };
}

function iterating(): Subject {
  const queue = new Queue<string>();
  return {
    ...getting(queue),
    wait: async () => {
      for await (const value of queue) return value;
      return undefined;
    },
  };
}

const BYTES = Buffer.alloc(LARGE_BYTES);

const rows: Record<string, Row> = {
  'Queue.get': {
    make: () => getting(new Queue()),
    value: 'hello',
    timeout: EMPTY,
    dead: EMPTY,
  },
  'for await of a Queue': {
    make: iterating,
    value: 'hello',
    isPromised: true,
    isUnabortable: true,
  },
  'Queue.put': {
    make: () => putting(new Queue(1), 'work'),
    value: undefined,
    timeout: FULL,
    dead: FULL,
  },
  'Queue.put without memory': {
    make: () => putting(new Queue(9, { size: SMALL }), BYTES),
    value: undefined,
    timeout: FULL,
    dead: FULL,
  },
  'Queue.joinThread': { make: flushing, value: true, timeout: FALSE, dead: FALSE, isOwn: true },
  'JoinableQueue.join': { make: joining, value: true, timeout: FALSE, dead: FALSE },
  'JoinableQueue.get': {
    make: () => getting(new JoinableQueue()),
    value: 'hello',
    timeout: EMPTY,
    dead: EMPTY,
  },
  'JoinableQueue.put': {
    make: () => putting(new JoinableQueue(1), 'work'),
    value: undefined,
    timeout: FULL,
    dead: FULL,
  },
  'SimpleQueue.get': {
    make: () => getting(new SimpleQueue()),
    value: 'hello',
    timeout: EMPTY,
    dead: EMPTY,
  },
  'SimpleQueue.put': {
    make: () => putting(new SimpleQueue({ size: SMALL }), BYTES),
    value: undefined,
    timeout: FULL,
    dead: FULL,
  },
};

export const scenarios: Scenarios = programsOf(rows);
