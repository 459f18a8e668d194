// A grandchild that waits for its parent, which is killed.
import assert from 'node:assert/strict';
import { type Connection, Event, type ParentProcess, parentProcess, Pipe, Process } from 'truefork';
import { sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

const SHORT_MS = 30;
const LATER_MS = 50;

type Wait = (parent: ParentProcess) => Promise<unknown>;

/** A child whose child sends what each of these waits comes to. */
async function family(first: Event, ...waits: Wait[]): Promise<[Process, Connection]> {
  const [own, other] = Pipe(false);
  const grandchild = async (): Promise<void> => {
    other.sendSync('ready');
    await first.wait();
    for (const wait of waits) other.sendSync(await wait(parentProcess() as ParentProcess));
  };
  const target = async (): Promise<void> => {
    const process = new Process({ target: grandchild });
    process.start();
    await process.join();
  };
  const child = new Process({ target });
  child.start();
  other.close();
  assert.equal(await own.recv(), 'ready');
  return [child, own];
}

async function end(child: Process): Promise<void> {
  child.kill();
  assert.equal(await child.join(), -9);
}

const join: Wait = (parent) => parent.join();

export const scenarios: Scenarios = {
  async 'ParentProcess.join by itself'() {
    const begin = new Event();
    const [child, outcomes] = await family(begin, join);
    begin.set();
    await sleep(LATER_MS);
    await end(child);
    assert.equal(await outcomes.recv(), true);
  },

  async 'ParentProcess.join after a timeout'() {
    const begin = new Event();
    const [child, outcomes] = await family(begin, (p) => p.join({ timeout: SHORT_MS }), join);
    begin.set();
    assert.equal(await outcomes.recv(), false);
    await end(child);
    assert.equal(await outcomes.recv(), true);
  },

  async 'ParentProcess.join after an abort'() {
    const begin = new Event();
    const aborted: Wait = (parent) =>
      parent
        .join({ signal: AbortSignal.timeout(SHORT_MS) })
        .catch((error: unknown) => (error as NodeJS.ErrnoException).code);
    const [child, outcomes] = await family(begin, aborted, join);
    begin.set();
    assert.equal(await outcomes.recv(), 'ABORT_ERR');
    await end(child);
    assert.equal(await outcomes.recv(), true);
  },

  async 'ParentProcess.join with a dead parent'() {
    const begin = new Event();
    const [child, outcomes] = await family(begin, join);
    await end(child);
    begin.set();
    assert.equal(await outcomes.recv(), true);
  },
};
