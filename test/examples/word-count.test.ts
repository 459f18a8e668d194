import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runToSuccess } from '../support/run-fixture.js';

const PROGRAM = '../../examples/word-count.js';

let directory: string;

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'truefork-words-'));
  mkdirSync(join(directory, 'below'));
  for (let i = 0; i < 50; i++) {
    writeFileSync(join(directory, 'below', `${i}.txt`), `Word ${'über '.repeat(i)}zwei-drei\n`);
  }
  writeFileSync(join(directory, 'binary.bin'), 'not a text');
});

after(() => rmSync(directory, { recursive: true }));

test('the words of all texts', async () => {
  const { stdout } = await runToSuccess(import.meta.url, PROGRAM, { args: ['--json', directory] });
  assert.deepEqual(JSON.parse(stdout), { über: 1225, drei: 50, word: 50, zwei: 50 });
});

test('a table for people', async () => {
  const { stdout } = await runToSuccess(import.meta.url, PROGRAM, { args: [directory] });
  assert.match(stdout, /^50 texts, 0\.0 million characters, 1375 words, 4 different ones, \d/);
  assert.match(stdout, /\n +1225 {2}über\n +50 {2}drei\n/);
});

test('no texts', async () => {
  const empty = join(directory, 'empty');
  mkdirSync(empty);
  const { stdout } = await runToSuccess(import.meta.url, PROGRAM, { args: ['--json', empty] });
  rmSync(empty, { recursive: true });
  assert.equal(stdout, '{}\n');
});
