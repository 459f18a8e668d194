import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runFixture, runToSuccess } from '../support/run-fixture.js';

test('producers and consumers find all primes', async () => {
  const program = '../../examples/producer-consumer.js';
  const { stdout } = await runToSuccess(import.meta.url, program, { args: ['100000'] });
  assert.equal(stdout, '9592 primes below 100000\n');
});

test('daemons count the words of all files, and a missing one is reported', async () => {
  const program = '../../examples/joinable-queue.js';
  const directory = mkdtempSync(join(tmpdir(), 'truefork-queue-'));
  try {
    const files = Array.from({ length: 20 }, (_, i) => join(directory, `${i}`));
    for (const [i, file] of files.entries()) writeFileSync(file, 'word and\nword '.repeat(i));
    const sorted = (text: string): string[] =>
      text
        .trim()
        .split('\n')
        .map((line) => line.trim())
        .toSorted();
    const { stdout } = await runToSuccess(import.meta.url, program, { args: files });
    const expected = execFileSync('wc', ['-w', ...files], { encoding: 'utf8' });
    assert.deepEqual(sorted(stdout), sorted(expected));
    const missing = join(directory, 'missing');
    const result = await runFixture(import.meta.url, program, { args: [files[3]!, missing] });
    assert.equal(result.code, 1);
    assert.match(result.stderr, /^joinable-queue: ENOENT/);
    assert.deepEqual(sorted(result.stdout), ['9 total', `9 ${files[3]!}`].toSorted());
  } finally {
    rmSync(directory, { recursive: true });
  }
});
