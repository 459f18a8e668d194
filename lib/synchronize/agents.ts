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

/** What an agent was sent for. */
export interface Errand {
  readonly agent: Agent;
  /** Ends it early; the outcome comes nevertheless. */
  cancel(): void;
  /** Ends it now. @returns the outcome, which comes to nobody else then */
  recall(): number;
}

/**
 * Sends an agent on an errand. Until its end the event loop stays alive.
 *
 * @param begin tells it what to do; returns 0 or a negative errno
 * @param end called with the outcome, be it that of a cancellation
 * @throws SystemError `EAGAIN` if there can be no more threads
 */
export function send(
  begin: (agent: Agent) => number,
  end: (outcome: number, agent: Agent) => void,
): Errand {
  const agent = idle.pop() ?? new native.Agent();
  agent.onend = (outcome) => {
    try {
      end(outcome, agent);
    } finally {
      retire(agent);
    }
  };
  check(begin(agent), 'pthread_create');
  busy.add(agent);
  return {
    agent,
    cancel: () => agent.cancel(),
    recall: () => {
      const outcome = agent.recall();
      retire(agent);
      return outcome;
    },
  };
}
