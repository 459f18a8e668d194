// Waiting for shared memory without blocking the thread: an agent, which is a
// thread of its own, waits instead (native/agent.h).
import { check } from '../errors.js';
import { onForkedChild } from '../posix/fork.js';
import { native, type Agent } from '../posix/native.js';

/** How many that have nothing to do are kept. */
const MOST_IDLE = 4;

let idle: Agent[] = [];
const busy = new Set<Agent>();

onForkedChild(() => {
  for (const agent of [...idle, ...busy]) agent.forget();
  idle = [];
  busy.clear();
});

function retire(agent: Agent): void {
  busy.delete(agent);
  if (idle.length < MOST_IDLE) idle.push(agent);
  else agent.close();
}

/** Called with the outcome of an errand. */
type Receive = (outcome: number, agent: Agent) => void;

/** What an agent was sent for. */
export interface Errand {
  /** Ends it early; the outcome comes nevertheless. */
  cancel(): void;
  /** Lets the event loop end before it. */
  unref(): void;
  /** Ends it now: the outcome comes here, before this returns, and to nobody else. */
  recall(receive: Receive): void;
}

/**
 * Sends an agent on an errand. Until its end the event loop stays alive.
 *
 * @param begin tells it what to do; returns 0 or a negative errno
 * @param end called with the outcome, be it that of a cancellation
 * @throws SystemError `EAGAIN` if there can be no more threads
 */
export function send(begin: (agent: Agent) => number, end: Receive): Errand {
  const agent = idle.pop() ?? new native.Agent();
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
    unref: () => agent.unref(),
    recall: (receive) => finish(agent.recall(), receive),
  };
}
