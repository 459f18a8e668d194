// Functions that run in every child are compiled before the fork: a child that has to do so itself
// takes long to begin. V8 writes down what it compiles, if it is asked to.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runToSuccess } from '../../support/run-fixture.js';

const CHILDREN = 6;
const OF_TRUEFORK = /\/dist\/[\w-]+\.js$/;
const OF_FIXTURE = /\/forking\.js$/;

interface Compiled {
  name: string;
  path: string;
  times: number;
}

/** The functions in V8's log, with how often they were compiled. */
function readLog(log: string): Compiled[] {
  const paths = new Map<string, string>();
  const functions = new Map<string, Compiled>();
  for (const line of log.split('\n')) {
    const [event, detail, script, start, , , , name] = line.split(',');
    if (event === 'script-details') paths.set(detail!, script!);
    if (event !== 'function' || detail !== 'interpreter') continue;
    const key = `${script}:${start}`;
    const { times } = functions.get(key) ?? { times: 0 };
    functions.set(key, {
      name: `${name}:${start}`,
      path: paths.get(script!) ?? '',
      times: times + 1,
    });
  }
  return [...functions.values()];
}

/** Runs the fixture, and returns what was compiled once for each child. */
async function compiledInChildren(kind: string): Promise<Compiled[]> {
  const directory = mkdtempSync(join(tmpdir(), 'truefork-test-'));
  const log = join(directory, 'v8.log');
  await runToSuccess(import.meta.url, './forking.js', {
    nodeArgs: ['--log-function-events', `--logfile=${log}`, '--no-logfile-per-isolate'],
    args: [kind, String(CHILDREN)],
  });
  const functions = readLog(readFileSync(log, 'utf8'));
  rmSync(directory, { recursive: true });
  return functions.filter(({ times }) => times >= CHILDREN);
}

for (const kind of ['Process', 'fork']) {
  void test(`a child of ${kind} compiles nothing of this package`, async () => {
    const compiled = await compiledInChildren(kind);
    // The log is one of children, too: their own function is in it.
    assert.ok(compiled.some(({ path }) => OF_FIXTURE.test(path)));
    const ours = compiled.filter(({ path }) => OF_TRUEFORK.test(path));
    assert.deepEqual(ours, []);
  });
}
