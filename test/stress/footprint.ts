// Traces that forks could leave behind in the parent.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { children, countMappings, openDescriptors, sleep } from '../support/observe.js';
import { forgetGarbage } from './load.js';

/** Run Node with --expose-gc. */
declare const gc: () => void;

interface Footprint {
  /** The open descriptors, without their numbers. */
  descriptors: string[];
  threads: number;
  mappings: number;
}

async function collect(): Promise<void> {
  forgetGarbage();
  // V8 gives memory back a little later.
  for (let i = 0; i < 4; i++) {
    gc();
    await sleep(20);
  }
}

/** Call it when all that went on has come to its end. */
async function footprint(): Promise<Footprint> {
  await collect();
  return {
    descriptors: openDescriptors()
      .map((target) => target.replace(/\d+/g, 'N'))
      .toSorted(),
    threads: readdirSync('/proc/self/task').length,
    mappings: countMappings(),
  };
}

/** Asserts that all is closed, ended and reaped that was not there `before`. */
function assertSame(before: Footprint, after: Footprint): void {
  assert.equal(children().size, 0);
  assert.deepEqual(after.descriptors, before.descriptors);
  assert.equal(after.threads, before.threads);
}

/**
 * Asserts that `forks` forks leave nothing behind. V8's heap may take a step at any
 * time, with forks and without; but a leak grows in both halves.
 */
export async function assertNothingLeft(
  forks: number,
  forkSome: (n: number) => Promise<void>,
): Promise<void> {
  const before = await footprint();
  await forkSome(forks / 2);
  const between = await footprint();
  await forkSome(forks / 2);
  const after = await footprint();
  assertSame(before, between);
  assertSame(before, after);
  const counts = [before, between, after].map(({ mappings }) => mappings);
  const [first, second, third] = counts as [number, number, number];
  const grown = Math.min(second - first, third - second);
  assert.ok(grown < forks / 4, `mappings: ${counts.join(', ')}`);
}
