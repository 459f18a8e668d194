// A kernel without pidfds: all that is promised elsewhere, once more.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import type { Scenarios } from '../support/scenarios.js';

const addon = createRequire(import.meta.url)('../../../build/Release/truefork.node') as {
  pidfdOpen: () => number;
  pidfdSendSignal: () => number;
};
addon.pidfdOpen = () => -constants.errno.ENOSYS;
addon.pidfdSendSignal = () => -constants.errno.ENOSYS;

// Only now: it looks whether there are any.
const { Pipe, Process } = await import('truefork');
const { pidfdOpen } = await import('truefork/posix');
const { scenarios: ofProcess } = await import('../process/process.scenarios.js');
const parentDeath = await import('./parent-death.scenarios.js');
const { children, isRunning, openDescriptors, sleep } = await import('../support/observe.js');

function started(target: () => unknown): InstanceType<typeof Process> {
  const child = new Process({ target });
  child.start();
  return child;
}

function pidfds(): number {
  return openDescriptors().filter((target) => target.includes('pidfd')).length;
}

/** A child is known to have ended while a process that it has started lives on. */
async function endsBefore(start: () => number): Promise<void> {
  const [reader, writer] = Pipe(false);
  const child = started(() => {
    writer.sendSync(start());
    process.kill(process.pid, 'SIGKILL');
  });
  const pid = (await reader.recv()) as number;
  assert.equal(await child.join(), -9);
  assert.equal(isRunning(pid), true);
  process.kill(pid, 'SIGKILL');
}

const own: Scenarios = {
  async 'there are no pidfds'() {
    assert.throws(() => pidfdOpen(process.pid), { code: 'ENOSYS', syscall: 'pidfd_open' });
    const child = started(() => sleep(1));
    assert.equal(pidfds(), 0);
    assert.equal(await child.join(), 0);
  },

  async "a child's own children do not keep it alive in its parent's eyes"() {
    await endsBefore(() => started(() => sleep(20_000)).pid!);
  },

  async 'nor do programs that it runs'() {
    await endsBefore(() => spawn('sleep', ['20'], { stdio: 'ignore' }).pid!);
  },

  async 'a younger sibling does not keep it alive either'() {
    const elder = started(() => sleep(50));
    const younger = started(() => sleep(20_000));
    assert.equal(await elder.join(), 0);
    assert.equal(isRunning(younger.pid!), true);
    younger.kill();
    assert.equal(await younger.join(), -9);
    assert.equal(children().size, 0);
  },
};

export const tests: Scenarios = { ...own, ...ofProcess, ...parentDeath.tests };
export const scenarios: Scenarios = { ...tests, ...parentDeath.scenarios };
