import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cpuCount } from 'truefork';

/** The processors that this process may run on: "0-2,5" is 0, 1, 2 and 5. */
function allowedProcessors(): number[] {
  const status = readFileSync('/proc/self/status', 'utf8');
  const [, list] = /^Cpus_allowed_list:\s*(.*)$/m.exec(status)!;
  return list!.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
  });
}

/** The result of cpuCount() in a program that may run on `processors` only. */
function countOn(processors: number[]): number {
  const program = `import { cpuCount } from 'truefork'; console.log(cpuCount());`;
  const node = [process.execPath, '--input-type=module', '--eval', program];
  const cwd = fileURLToPath(new URL('.', import.meta.url));
  return Number(execFileSync('taskset', ['--cpu-list', processors.join(','), ...node], { cwd }));
}

const skip = spawnSync('taskset', ['--version']).status !== 0 && 'there is no taskset here';

test('cpuCount() is a whole number, and no more than there are', () => {
  const count = cpuCount();
  assert.ok(Number.isInteger(count) && count >= 1);
  assert.ok(count <= availableParallelism());
  assert.ok(count <= allowedProcessors().length);
  assert.equal(cpuCount(), count);
});

test('it is 1 where there is one processor to run on', { skip }, () => {
  for (const processor of allowedProcessors().slice(0, 4)) assert.equal(countOn([processor]), 1);
});

test('it is no more than there are to run on', { skip }, () => {
  const all = allowedProcessors();
  for (const some of [all.slice(0, 2), all.slice(-2), all]) {
    // Fewer where the container has less CPU time.
    assert.equal(countOn(some), Math.min(some.length, cpuCount()));
  }
});
