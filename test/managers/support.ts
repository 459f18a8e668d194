// Support for the tests of managers.
import assert from 'node:assert/strict';
import { Manager, Process, type SyncManager } from 'truefork';
import { isRunning } from '../support/observe.js';

export const LOST = { name: 'ProcessError', code: 'ERR_TRUEFORK_MANAGER_LOST' };

export function misuse(code: string): { name: string; code: string } {
  return { name: 'ProcessError', code: `ERR_TRUEFORK_${code}` };
}

export function started(target: () => unknown): Process {
  const child = new Process({ target });
  child.start();
  return child;
}

/** Runs `target` in a child, which must end well. */
export async function inGoodChild(target: () => unknown): Promise<void> {
  assert.equal(await started(target).join(), 0);
}

/** A manager for as long as `use` takes; its server must be gone then. */
export async function withManager(use: (manager: SyncManager) => unknown): Promise<void> {
  const manager = Manager();
  const { pid } = manager;
  try {
    await use(manager);
  } finally {
    await manager.shutdown();
  }
  assert.equal(await manager.join(), 0);
  assert.equal(isRunning(pid!), false);
}

/** Whether a promise is settled by now; others get the time that they need. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => void (settled = true);
  promise.then(note, note);
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  return settled;
}
