// Workers of the parent are seen as ended in a child.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { inChild, Pool } from 'truefork';
import { fork, waitpid } from 'truefork/posix';
import { sleep, until } from '../../support/observe.js';
import type { Scenario, Scenarios } from '../../support/scenarios.js';
import { liveOn, parent, started, succeeds } from './support.js';

const ECHO = `
  const { parentPort } = require('node:worker_threads');
  parentPort.on('message', (message) => parentPort.postMessage(message));
`;

async function echoing(options: WorkerOptions = {}): Promise<Worker> {
  const worker = new Worker(ECHO, { ...options, eval: true });
  await answers(worker);
  return worker;
}

/**
 * By thread, where its stack is. Of threads that wait, as Linux tells: the last but one of the
 * words.
 */
function stackPointers(): Map<string, number> {
  return new Map(
    readdirSync('/proc/self/task').map((id) => [
      id,
      Number(readFileSync(`/proc/self/task/${id}/syscall`, 'utf8').split(' ').at(-2)),
    ]),
  );
}

/** Less than a stack, more than what two threads that wait have on theirs. */
const FAR = 2 ** 20;

async function answers(worker: Worker): Promise<void> {
  const answered = once(worker, 'message');
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  worker.postMessage('hello');
  assert.deepEqual(await answered, ['hello']);
}

/** Of a process that has forked: the Worker is as it was. */
async function isUnharmed(worker: Worker): Promise<void> {
  await answers(worker);
  assert.equal(await worker.terminate(), 1);
}

function warning(run: () => unknown): Scenario {
  return {
    run,
    stderr: /^\(node:\d+\) \[TRUEFORK_JS_WORKERS\] TrueforkWarning: .* seen as ended, .*\n.*\n$/,
  };
}

async function useLost(worker: Worker): Promise<void> {
  const ended = once(worker, 'exit');
  assert.equal(worker.threadId, -1);
  worker.ref();
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  worker.postMessage('hello');
  assert.deepEqual(await ended, [0]);
  await worker.terminate();
  await assert.rejects(worker.getHeapSnapshot(), { code: 'ERR_WORKER_NOT_RUNNING' });
  await isUnharmed(await echoing());
}

export const scenarios: Scenarios = {
  'in a child, and in its child': warning(async () => {
    const worker = await echoing();
    await succeeds(async () => {
      await useLost(worker);
      await succeeds(async () => void (await worker.terminate()));
    });
    await isUnharmed(worker);
  }),

  'in inChild() and in a pool': warning(async () => {
    const worker = await echoing();
    await inChild(useLost.bind(undefined, worker));
    const pool = new Pool(1);
    await pool.apply(async () => void (await worker.terminate()));
    pool.close();
    await pool.join();
    await isUnharmed(worker);
  }),

  'terminate() is called first of all': warning(async () => {
    const worker = await echoing();
    await succeeds(async () => void (await worker.terminate()));
    await isUnharmed(worker);
  }),

  'its streams end': warning(async () => {
    const worker = await echoing({ stdout: true, stderr: true });
    await succeeds(async () => {
      await Promise.all([once(worker.stdout.resume(), 'end'), once(worker.stderr.resume(), 'end')]);
    });
    await isUnharmed(worker);
  }),

  'what it has sent comes in the parent alone': warning(async () => {
    const worker = await echoing();
    const answered = answers(worker);
    worker.on('message', () => assert.equal(process.pid, parent));
    const child = started(liveOn);
    await answered;
    assert.equal(await child.join(), 0);
    await isUnharmed(worker);
  }),

  'new ones in the child leave their stacks alone': warning(async () => {
    const worker = await echoing();
    const inParent = [...stackPointers().values()];
    await succeeds(async () => {
      const before = stackPointers();
      const own = await Promise.all(Array.from({ length: 8 }, () => echoing()));
      const added = (): number[] =>
        [...stackPointers()].filter(([id]) => !before.has(id)).map(([, pointer]) => pointer);
      await until(() => !added().some((pointer) => Number.isNaN(pointer)));
      assert.ok(added().length >= own.length);
      for (const pointer of added())
        assert.ok(!inParent.some((other) => Math.abs(other - pointer) < FAR));
      await Promise.all(own.map((one) => one.terminate()));
    });
    await isUnharmed(worker);
  }),

  'after posix.fork()': warning(async () => {
    const worker = await echoing();
    await succeeds(() => {});
    await sleep(1); // the warning, which is a tick, is out before there are two of this process
    const pid = fork();
    if (pid === 0) {
      await worker.terminate();
      assert.equal(worker.threadId, -1);
      process.exit(0);
    }
    assert.equal(waitpid(pid)!.exitcode, 0);
    await isUnharmed(worker);
  }),

  'a library knows before the child uses it': warning(async () => {
    const worker = await echoing();
    let ended = 0;
    worker.on('exit', () => ended++);
    await succeeds(async () => {
      assert.equal(ended, 1);
      await once(worker, 'exit');
      assert.equal(ended, 1);
    });
    await isUnharmed(worker);
    assert.equal(ended, 1);
  }),

  'a listener that throws is a warning': {
    async run() {
      const worker = await echoing();
      worker.on('exit', () => {
        if (process.pid !== parent) throw new Error('it ended');
      });
      await succeeds(liveOn);
      await isUnharmed(worker);
    },
    stderr: /Error: it ended\n/,
  },
};
