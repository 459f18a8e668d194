import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findFiles, type Failure } from '../../examples/digest/files.js';
import { digestFile } from '../../examples/digest/hash.js';
import { runFixture, runToSuccess } from '../support/run-fixture.js';
import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './digest.scenarios.js';

const PROGRAM = '../../examples/digest.js';

let directory: string;

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'truefork-digest-'));
  mkdirSync(join(directory, 'a/b/c'), { recursive: true });
  writeFileSync(join(directory, 'empty'), '');
  writeFileSync(join(directory, 'a/with spaces and ümläuts'), 'text');
  writeFileSync(join(directory, 'a/b/big'), Buffer.alloc(5_000_001, 'x'));
  for (let i = 0; i < 300; i++) writeFileSync(join(directory, `a/b/c/${i}`), 'y'.repeat(i));
  // Not valid UTF-8.
  writeFileSync(Buffer.from(`${directory}/a/\xff`, 'latin1'), 'name');
  symlinkSync('empty', join(directory, 'link'));
  execFileSync('mkfifo', [join(directory, 'fifo')]);
});

after(() => rmSync(directory, { recursive: true }));

interface Output {
  files: number;
  bytes: number;
  sha512: string;
  digests: { path: string; bytes: number; sha512: string }[];
  failures: { path: string; reason: string }[];
}

async function digest(): Promise<Output> {
  const { stdout } = await runToSuccess(import.meta.url, PROGRAM, { args: ['--json', directory] });
  return JSON.parse(stdout) as Output;
}

test('the digests are those of sha512sum', async () => {
  const names = 'find . -type f -printf "%P\\0" | LC_ALL=C sort -z';
  const expected = execFileSync('sh', ['-c', `${names} | xargs -0 sha512sum`], { cwd: directory });
  const output = await digest();
  assert.equal(
    output.digests.map(({ sha512, path }) => `${sha512}  ${path}\n`).join(''),
    expected.toString('utf8'),
  );
  assert.equal(output.sha512, createHash('sha512').update(expected).digest('hex'));
  assert.equal(output.files, 304);
  assert.equal(output.bytes, 5_000_001 + 4 + 4 + (299 * 300) / 2);
  assert.deepEqual(output.failures, []);
});

test('a table for people, and progress on stderr', async () => {
  const { stdout, stderr } = await runToSuccess(import.meta.url, PROGRAM, { args: [directory] });
  assert.match(stdout, /^files +304$/m);
  assert.match(stdout, /^one process +\d+ MB\/s$/m);
  assert.match(stdout, /^speed-up +\d+\.\d\dx$/m);
  assert.equal(stderr, '304 of 304 files, 5 MB of 5 MB\n');
});

test('a directory that is not there', async () => {
  const { code, stderr } = await runFixture(import.meta.url, PROGRAM, {
    args: [join(directory, 'nothing')],
  });
  assert.equal(code, 1);
  assert.match(stderr, /^digest: ENOENT.*nothing'\n$/);
});

test('an empty directory', async () => {
  const empty = join(directory, 'nothing in here');
  mkdirSync(empty);
  const { stdout } = await runToSuccess(import.meta.url, PROGRAM, { args: ['--json', empty] });
  rmSync(empty, { recursive: true });
  assert.equal((JSON.parse(stdout) as Output).sha512, createHash('sha512').digest('hex'));
});

test('what has become of a file meanwhile', () => {
  const outcome = (path: string): unknown => digestFile(directory, path);
  assert.deepEqual(outcome('vanished'), { path: 'vanished', reason: 'ENOENT' });
  assert.deepEqual(outcome('link'), { path: 'link', reason: 'ELOOP' });
  assert.deepEqual(outcome('fifo'), { path: 'fifo', reason: 'not a file' });
  assert.deepEqual(outcome('a'), { path: 'a', reason: 'not a file' });
});

test('what may not be read', { skip: process.getuid!() === 0 && 'root may' }, () => {
  const secret = join(directory, 'secret');
  mkdirSync(secret);
  chmodSync(secret, 0);
  const failures: Failure[] = [];
  findFiles(directory, failures);
  rmSync(secret, { recursive: true });
  assert.deepEqual(failures, [{ path: 'secret', reason: 'EACCES' }]);
  const file = join(directory, 'empty');
  chmodSync(file, 0);
  assert.deepEqual(digestFile(directory, 'empty'), { path: 'empty', reason: 'EACCES' });
  chmodSync(file, 0o600);
});

test('a file is read to its end, whatever its size is said to be', () => {
  const found = findFiles('/proc/self', []).find(({ path }) => path === 'maps');
  assert.equal(found?.size, 0);
  const result = digestFile('/proc/self', 'maps');
  assert.ok('sha512' in result && result.bytes > 0);
});

testScenarios(new URL('./digest.scenarios.js', import.meta.url).href, scenarios);
