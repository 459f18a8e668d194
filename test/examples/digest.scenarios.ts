import assert from 'node:assert/strict';
import { activeChildren } from 'truefork';
import { shareOut } from '../../examples/digest/share-out.js';
import { children, countDescriptors } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

function sorted(numbers: number[]): number[] {
  return numbers.toSorted((a, b) => a - b);
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

export const scenarios: Scenarios = {
  async 'every job is done once, and nothing of the workers remains'() {
    const before = countDescriptors();
    const results: number[] = [];
    const lost = await shareOut(
      (job) => job * job,
      500,
      3,
      (result) => results.push(result),
    );
    assert.deepEqual(lost, []);
    assert.deepEqual(
      sorted(results),
      range(500).map((job) => job * job),
    );
    assert.deepEqual(activeChildren(), []);
    assert.equal(children().size, 0);
    // The event loop may have made itself descriptors meanwhile.
    assert.ok(countDescriptors() <= before + 1, `${before} before, ${countDescriptors()} after`);
  },

  async 'a job that kills its workers is reported, the others are done'() {
    const results: number[] = [];
    const work = (job: number): number => {
      if (job === 7) process.kill(process.pid, 'SIGKILL');
      return job;
    };
    const lost = await shareOut(work, 20, 2, (result) => results.push(result));
    assert.deepEqual(lost, [7]);
    assert.deepEqual(
      sorted(results),
      range(20).filter((job) => job !== 7),
    );
    assert.equal(children().size, 0);
  },
};
