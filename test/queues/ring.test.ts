import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const STEPS = fileURLToPath(new URL('../../../build/Release/ring_steps', import.meta.url));

// All of them, 1 instead of 29, take some minutes.
const SOME = '29';
const TIMEOUT = process.env['RING_STRIDE'] === undefined ? 300_000 : undefined;

test('killed after so many instructions, it leaves a ring that others can use', () => {
  const stride = process.env['RING_STRIDE'] ?? SOME;
  const first = Math.floor(Math.random() * Number(stride));
  const { status, stdout, stderr } = spawnSync(STEPS, [stride, `${first}`], {
    encoding: 'utf8',
    timeout: TIMEOUT,
    killSignal: 'SIGKILL',
  });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  assert.equal(stdout.split('\n').length, 12);
});
