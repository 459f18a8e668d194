// Waiting for shared memory without blocking the thread: an agent, which is a
// thread of its own, waits instead (native/agent/agent.h).
import { check } from '../common/errors.js';
import { onForkedChild } from '../common/per-process.js';
import { type Agent, nativeAgent } from '../native/agent.js';
import { GOES_ON } from './outcome.js';

/** How many that have nothing to do are kept. */
const MOST_IDLE = 4;

let idle: Agent[] = [];
const busy = new Set<Agent>();

onForkedChild(() => {
  for (const agent of [...idle, ...busy]) agent.forget();
  idle = [];
  busy.clear();
});

/** One that is idle keeps nothing alive that it has worked on. */
function retire(agent: Agent): void {
  busy.delete(agent);
  agent.onend = () => {};
  agent.forgetErrand();
  if (idle.length < MOST_IDLE) idle.push(agent);
  else agent.close();
}

/** Called with the outcome of an errand. */
type Receive = (outcome: number, agent: Agent) => void;

/** What an agent was sent for. */
export interface Errand {
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
  /** Blocks the thread until it has ended. Its outcome has yet to come. @returns false after the timeout */
  awaitEnd(timeout: number): boolean;
}

/**
 * Sends an agent on an errand. Until its end the event loop stays alive.
 *
 * @param begin tells it what to do; returns 0 or a negative errno
 * @param end called with the outcome, be it that of a cancellation
 * @throws SystemError `EAGAIN` if there can be no more threads
 */
export function send(begin: (agent: Agent) => number, end: Receive): Errand {
  const agent = idle.pop() ?? new nativeAgent.Agent();
  const finish = (outcome: number, receive: Receive): void => {
    // Only then may it retire: from an agent that ends the kernel takes the lock that it holds.
    try {
      receive(outcome, agent);
    } finally {
      retire(agent);
    }
  };
  agent.onend = (outcome) => finish(outcome, end);
  check(begin(agent), 'pthread_create');
  busy.add(agent);
  return {
    cancel: () => agent.cancel(),
    setRef: (keepsAlive) => agent.setRef(keepsAlive),
    recall(receive) {
      const outcome = agent.recall();
      if (outcome !== GOES_ON) finish(outcome, receive);
      return outcome !== GOES_ON;
    },
    awaitEnd: (timeout) => agent.awaitEnd(timeout),
  };
}
