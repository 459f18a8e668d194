import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runToSuccess } from '../support/run-fixture.js';

test('a hundred processes count down to zero', async () => {
  const { stdout } = await runToSuccess(import.meta.url, '../../examples/countdown.js');
  assert.equal(stdout, '100 processes, and the count is 0\n');
});

test('a child changes a dict and a list', async () => {
  const { stdout } = await runToSuccess(import.meta.url, '../../examples/shared-containers.js');
  assert.match(
    stdout,
    /^DictProxy \{ '1': 'one', two: 2, nested: ListProxy \[ 'a list in a dict' \] \}$/m,
  );
  assert.match(stdout, /ListProxy \[\n\s+9, 8, 7, 6, 5,\n\s+4, 3, 2, 1, 0\n\]/);
});

test('the workers of a pool put into a queue', async () => {
  const { stdout } = await runToSuccess(import.meta.url, '../../examples/shared-queue.js');
  assert.match(stdout, /^1 \* 1 = 1\n(.*\n){6}8 \* 8 = 64\n$/);
});

const TASKS = fileURLToPath(new URL('../../examples/task-server.js', import.meta.url));

test('workers do the tasks of a server', async () => {
  const server = spawn(process.execPath, [TASKS, 'serve', '0', 'the key', '200']);
  const errors = text(server.stderr);
  const closed = [once(server, 'close')];
  const lines = createInterface(server.stdout);
  const [first] = (await once(lines, 'line')) as [string];
  const [, port] = /^serving 200 tasks at 127\.0\.0\.1:(\d+)$/.exec(first)!;
  const end = once(lines, 'line');
  const workers = ['the key', 'the key', 'another key'].map((key) =>
    spawn(process.execPath, [TASKS, 'work', '127.0.0.1', port!, key]),
  );
  closed.push(...workers.map((worker) => once(worker, 'close')));
  const [last] = (await end) as [string];
  assert.equal(last, `all done, and the sum of the squares is ${(199 * 200 * 399) / 6}`);
  await Promise.all(closed);
  assert.equal(workers[2]!.exitCode, 1);
  assert.equal(server.exitCode, 0);
  assert.equal(await errors, '');
});
