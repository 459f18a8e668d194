import assert from 'node:assert/strict';
import { activeChildren, Event, inChild, Value, type Pool, type WorkerLostError } from 'truefork';
import { children, countDescriptors, countSharedMappings, sleep } from '../support/observe.js';

export function square(x: number): number {
  return x * x;
}

export function multiply(x: number, y: number): number {
  return x * y;
}

export function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

/** Longer than any test may take: who does this has to be ended. */
export function hang(): Promise<never> {
  return sleep(600_000) as Promise<never>;
}

/** The same, and without giving way to anything. */
export function spin(): never {
  for (;;);
}

export async function caught(promise: PromiseLike<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  return assert.fail('it was not rejected');
}

export async function assertLost(
  promise: PromiseLike<unknown>,
  exitcode: number,
  signal: NodeJS.Signals | null,
): Promise<void> {
  const error = (await caught(promise)) as WorkerLostError;
  assert.equal(error.name, 'WorkerLostError', error.stack);
  assert.deepEqual([error.exitcode, error.signal], [exitcode, signal]);
  assert.ok(error.pid > 0 && error.pid !== process.pid);
}

/** Closes the pool, and waits for its end. */
export async function finish(pool: Pool<never[]>): Promise<void> {
  pool.close();
  assert.equal(await pool.join(20_000), true);
}

/** Runs `use`, and asserts that nothing of what it has made remains. */
export async function leavesNothing(use: () => Promise<void>): Promise<void> {
  // Descriptors that are made once and remain: for forks, and the first memory that is shared.
  await inChild(() => {});
  const kept = [new Value('i'), new Event()];
  const descriptors = countDescriptors();
  const mappings = countSharedMappings();
  await use();
  assert.deepEqual([...children()], [], 'children');
  assert.deepEqual(activeChildren(), []);
  // The event loop may have made itself descriptors meanwhile.
  assert.ok(countDescriptors() <= descriptors + 1, `descriptors: ${descriptors} before`);
  assert.ok(countSharedMappings() <= mappings, `mappings: ${mappings} before`);
  assert.equal(kept.length, 2);
}
