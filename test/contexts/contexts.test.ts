// start() and fork() from every kind of call site.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runToSuccess } from '../support/run-fixture.js';
import { callSites } from './call-sites.js';

const directory = mkdtempSync(join(tmpdir(), 'truefork-contexts-'));
after(() => rmSync(directory, { recursive: true }));

/** The steps that the parent must have done, each exactly once. */
const PARENTS = [
  'before',
  'after',
  'finally',
  'microtask',
  'tick',
  'immediate',
  'due timer',
  'interval',
  'promise',
  'timer',
  'fs',
  'lookup',
  'pbkdf2',
  'exec',
  'signal',
  'end',
  'exit',
];
const PARENTS_WITH_SOCKETS = [...PARENTS, 'http', 'echo'];

interface Entry {
  pid: string;
  label: string;
}

function readLog(path: string): Entry[] {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [, pid, label] = /^(\d+) (.*)$/.exec(line)!;
    return { pid: pid!, label: label! };
  });
}

let count = 0;

async function check(kind: 'start' | 'fork', fixture: string, callSite?: string): Promise<void> {
  const path = join(directory, `${count++}.log`);
  const args = [kind, path, ...(callSite === undefined ? [] : [callSite])];
  const { stderr } = await runToSuccess(import.meta.url, fixture, { args });
  assert.equal(stderr.replace(/^\(node.*ExperimentalWarning.*\n.*\n/m, ''), '');
  const log = readLog(path);
  const parent = log.find(({ label }) => label === 'before')!.pid;
  const of = (isOf: (pid: string) => boolean): string[] =>
    log.filter(({ pid }) => isOf(pid)).map(({ label }) => label);
  const expected = kind === 'start' ? PARENTS_WITH_SOCKETS : PARENTS;
  assert.deepEqual(of((pid) => pid === parent).toSorted(), expected.toSorted());
  const inChild = of((pid) => pid !== parent);
  if (kind === 'start') assert.deepEqual(inChild, ['child']);
  else assert.equal(inChild.filter((label) => label === 'child').length, 1);
}

for (const kind of ['start', 'fork'] as const) {
  describe(kind === 'start' ? 'Process.start() from' : 'posix.fork() from', () => {
    test('CommonJS top level', () => check(kind, './cjs-top-level.cjs'));
    test('ES module top level', () => check(kind, './esm-top-level.js'));
    test('after a top-level await', () => check(kind, './after-top-level-await.js'));
    for (const name of Object.keys(callSites)) {
      test(name, () => check(kind, './call-site.js', name));
    }
  });
}
