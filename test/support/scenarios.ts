// Tests that are programs: each scenario is a function that runs as the only thing
// a process does, and checks itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type FixtureOptions, type FixtureResult, runFixture } from './run-fixture.js';

export interface Scenario {
  run: () => unknown;
  /** How the process ends. Default: with exit code 0 and nothing printed. */
  code?: number;
  signal?: NodeJS.Signals;
  stdout?: string | RegExp;
  stderr?: string | RegExp;
  options?: FixtureOptions;
}

export type Scenarios = Record<string, Scenario | (() => unknown)>;

function describe(scenario: Scenario | (() => unknown)): Scenario {
  return typeof scenario === 'function' ? { run: scenario } : scenario;
}

/** Removes notices of Node that are not about the program. */
function withoutNotices(text: string): string {
  return text.replace(/^\(node:\d+\) ExperimentalWarning:.*\n(\(Use `node.*\n)?/gm, '');
}

function check(scenario: Scenario, result: FixtureResult): void {
  const { code = 0, signal = null, stdout = '', stderr = '' } = scenario;
  const printed = { stdout: result.stdout, stderr: withoutNotices(result.stderr) };
  const context = `stdout:\n${printed.stdout}\nstderr:\n${printed.stderr}`;
  assert.deepEqual(
    { code: result.code, signal: result.signal, hasTimedOut: result.hasTimedOut },
    { code: signal === null ? code : null, signal, hasTimedOut: false },
    context,
  );
  for (const [name, expected] of Object.entries({ stdout, stderr })) {
    const actual = printed[name as 'stdout' | 'stderr'];
    if (typeof expected === 'string') assert.equal(actual, expected, context);
    else assert.match(actual, expected, context);
  }
}

/** Makes a test of each scenario that the module `url` exports as `scenarios`. */
export function testScenarios(url: string, scenarios: Scenarios): void {
  for (const [name, scenario] of Object.entries(scenarios)) {
    const described = describe(scenario);
    void test(name, async () => {
      const { args = [], ...options } = described.options ?? {};
      const result = await runFixture(import.meta.url, './run-scenario.js', {
        ...options,
        args: [fileURLToPath(url), name, ...args],
      });
      check(described, result);
    });
  }
}

/** Runs one of them, in a process of its own. */
export async function runScenario(scenarios: Scenarios, name: string): Promise<void> {
  await describe(scenarios[name]!).run();
}
