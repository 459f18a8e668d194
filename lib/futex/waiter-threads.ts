// Waiting for shared memory without blocking the thread: a waiter thread, which is a
// thread of its own, waits instead (native/waiter/waiter_thread_object.h).
import { check } from '../common/errors.js';
import { onForkedChild } from '../common/per-process.js';
import { type WaiterThread, nativeWaiter } from '../native/waiter.js';
import { GOES_ON } from './outcome.js';

/** How many that have nothing to do are kept. */
const MAX_IDLE = 4;

let idle: WaiterThread[] = [];
const busy = new Set<WaiterThread>();

onForkedChild(() => {
  for (const thread of [...idle, ...busy]) thread.forget();
  idle = [];
  busy.clear();
});

/** One that is idle keeps nothing alive that it has worked on. */
function retire(thread: WaiterThread): void {
  busy.delete(thread);
  thread.onend = () => {};
  thread.forgetWait();
  if (idle.length < MAX_IDLE) idle.push(thread);
  else thread.close();
}

/** Called with the outcome of a wait. */
export type Receive = (outcome: number, thread: WaiterThread) => void;

/** The wait that a waiter thread has in hand. */
export interface PendingWait {
  /** Ends it early; the outcome comes nevertheless. */
  cancel(): void;
  /** Whether the event loop stays alive until its end: it does, unless told otherwise. */
  setRef(keepsAlive: boolean): void;
  /**
   * Ends it now: the outcome comes here, before this returns, and to nobody else.
   *
   * @returns false if it has something in hand and goes on
   */
  recall(receive: Receive): boolean;
  /**
   * Blocks the thread until it has ended. Its outcome has yet to come. @returns false after the
   * timeout
   */
  awaitEnd(timeout: number): boolean;
}

/**
 * Sends a waiter thread on a wait. Until its end the event loop stays alive.
 *
 * @param begin tells it what to do; returns 0 or a negative errno
 * @param end called with the outcome, be it that of a cancellation
 * @throws SystemError `EAGAIN` if there can be no more threads
 */
export function send(begin: (thread: WaiterThread) => number, end: Receive): PendingWait {
  const thread = idle.pop() ?? new nativeWaiter.WaiterThread();
  const finish = (outcome: number, receive: Receive): void => {
    // Only then may it retire: from a waiter thread that ends the kernel takes the lock that it
    // holds.
    try {
      receive(outcome, thread);
    } finally {
      retire(thread);
    }
  };
  thread.onend = (outcome) => finish(outcome, end);
  check(begin(thread), 'pthread_create');
  busy.add(thread);
  return {
    cancel: () => thread.cancel(),
    setRef: (keepsAlive) => thread.setRef(keepsAlive),
    recall(receive) {
      const outcome = thread.recall();
      if (outcome !== GOES_ON) finish(outcome, receive);
      return outcome !== GOES_ON;
    },
    awaitEnd: (timeout) => thread.awaitEnd(timeout),
  };
}
