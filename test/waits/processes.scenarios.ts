// Calls that wait for processes.
import { Event, inChild, Process, wait, waitSync } from 'truefork';
import { sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { programsOf, Raised, type Row, type Subject, Work } from './states.js';

const LATER_MS = 50;

/** A child that ends when it is told to. */
function started(daemon: boolean): { child: Process; go: Event } {
  const go = new Event();
  const target = async (): Promise<void> => {
    await go.wait();
    await sleep(LATER_MS);
  };
  const child = new Process({ target, daemon });
  child.start();
  return { child, go };
}

function kill(child: Process): void {
  child.kill();
}

function joining(daemon: boolean): Subject {
  const { child, go } = started(daemon);
  return {
    wait: (options) => child.join(options),
    waitSync: (options) => child.joinSync(options),
    act: () => go.set(),
    kill: () => kill(child),
  };
}

function watching(daemon: boolean): Subject {
  const { child, go } = started(daemon);
  return {
    wait: async (options) => (await wait([child], options)).length,
    waitSync: (options) => waitSync([child], options).length,
    act: () => go.set(),
    kill: () => kill(child),
    finish: () => child.join(),
  };
}

function valueOfChild(): Subject {
  const work = new Work();
  return { wait: () => inChild(work.run), act: () => work.act(), kill: () => work.kill() };
}

const END = { value: 0, timeout: { is: null }, dead: { is: -9 }, isOwn: true };

const rows: Record<string, Row> = {
  'Process.join': { make: () => joining(false), ...END },
  'Process.join of a daemon': { make: () => joining(true), ...END },
  'wait([process])': {
    make: () => watching(false),
    value: 1,
    timeout: { is: 0 },
    dead: { is: 1 },
    isOwn: true,
  },
  'wait([daemon])': {
    make: () => watching(true),
    value: 1,
    timeout: { is: 0 },
    dead: { is: 1 },
    isOwn: true,
  },
  inChild: {
    make: valueOfChild,
    value: 'done',
    isPromised: true,
    isUnabortable: true,
    dead: { is: new Raised('ERR_TRUEFORK_WORKER_LOST') },
  },
};

export const scenarios: Scenarios = programsOf(rows);
