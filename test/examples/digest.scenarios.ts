import assert from 'node:assert/strict';
import { activeChildren } from 'truefork';
import { Crew } from '../../examples/digest/crew.js';
import { children, countDescriptors } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

function runInCrew(work: (job: number) => number, size: number, jobs: number): Promise<unknown[]> {
  const results: unknown[] = [];
  const crew = new Crew<unknown>(work, (job, how) => `${job}: ${how}`);
  return crew.run(size, jobs, (result) => results.push(result)).then(() => results);
}

export const scenarios: Scenarios = {
  async 'every job is done once, and nothing of the crew remains'() {
    const before = countDescriptors();
    const results = await runInCrew((job) => job * job, 3, 500);
    assert.deepEqual(
      (results as number[]).toSorted((a, b) => a - b),
      Array.from({ length: 500 }, (_, job) => job * job),
    );
    assert.deepEqual(activeChildren(), []);
    assert.equal(children().size, 0);
    // The event loop may have made itself descriptors meanwhile.
    assert.ok(countDescriptors() <= before + 1, `${before} before, ${countDescriptors()} after`);
  },

  async 'a job that kills its workers is reported, the others are done'() {
    const work = (job: number): number => {
      if (job === 7) process.kill(process.pid, 'SIGKILL');
      return job;
    };
    const results = await runInCrew(work, 2, 20);
    assert.equal(results.length, 20);
    assert.deepEqual(
      results.filter((result) => typeof result === 'string'),
      ['7: SIGKILL'],
    );
    assert.equal(children().size, 0);
  },
};
