// Objects that become garbage.
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/observe.js';

const { gc } = globalThis as unknown as { gc: () => void };

let collected = 0;
const registry = new FinalizationRegistry<number>(() => collected++);

/** Apart, for the frame of a function keeps what it has awaited. */
async function drop(make: () => object | Promise<object>): Promise<void> {
  registry.register(await make(), 0);
}

/**
 * Waits until the object that `make` returns is collected, and what goes with it is done. Needs
 * --expose-gc.
 */
export async function untilCollected(make: () => object | Promise<object>): Promise<void> {
  const before = collected;
  await drop(make);
  await until(() => {
    gc();
    return collected > before;
  });
  // Finalizers of the memory come in later turns.
  for (let turn = 0; turn < 5; turn++) {
    gc();
    await sleep(5);
  }
}

export const WITH_GC = { nodeArgs: ['--expose-gc'] };
