// Runs a program of the tests as a process of its own: nothing forks inside the
// test runner.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describeGroup } from './autopsy.js';

/**
 * Variables of the runner, and of the machine: Node 24 reads extra certificates in a thread of
 * its own, and has a descriptor open meanwhile.
 */
const NOT_THE_PROGRAMS = {
  NODE_OPTIONS: '',
  NODE_TEST_CONTEXT: undefined,
  NODE_EXTRA_CA_CERTS: undefined,
};

export interface FixtureOptions {
  args?: string[];
  /** Arguments of Node itself. */
  nodeArgs?: string[];
  env?: NodeJS.ProcessEnv;
  /** The handling of stdout and stderr. Default: pipes. */
  input?: string;
  /** Milliseconds until the program and all that it has started are killed. */
  timeout?: number;
}

export interface FixtureResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  hasTimedOut: boolean;
}

/**
 * Runs the fixture at `path`, as seen from the module `from`, in a process group of
 * its own, and kills the whole group if it takes too long.
 */
export function runFixture(
  from: string,
  path: string,
  { args = [], nodeArgs = [], env = {}, input = '', timeout = 300_000 }: FixtureOptions = {},
): Promise<FixtureResult> {
  const program = fileURLToPath(new URL(path, from));
  const child = spawn(process.execPath, [...nodeArgs, program, ...args], {
    detached: true,
    env: { ...process.env, ...NOT_THE_PROGRAMS, ...env },
    stdio: 'pipe',
  });
  let stdout = '';
  let stderr = '';
  let hasTimedOut = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => {}).end(input);
  const timer = setTimeout(() => {
    hasTimedOut = true;
    stderr += `\nAfter ${timeout} ms there were:\n${describeGroup(child.pid!)}\n`;
    process.kill(-child.pid!, 'SIGKILL');
  }, timeout);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    // 'close' comes when the last of its processes has let go of the pipes.
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr, hasTimedOut });
    });
  });
}

/** Asserts that the fixture came to its end with nothing to object to. */
export function assertSuccess(result: FixtureResult): void {
  const { code, signal, hasTimedOut } = result;
  assert.deepEqual(
    { code, signal, hasTimedOut },
    { code: 0, signal: null, hasTimedOut: false },
    `stdout:\n${result.stdout}\nstderr:\n${result.stderr}`,
  );
}

/** Runs a fixture that checks everything itself. Returns what it printed. */
export async function runToSuccess(
  from: string,
  path: string,
  options?: FixtureOptions,
): Promise<FixtureResult> {
  const result = await runFixture(from, path, options);
  assertSuccess(result);
  return result;
}
