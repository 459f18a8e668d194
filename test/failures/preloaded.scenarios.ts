// A library that was loaded before Node (LD_PRELOAD: an allocator, a profiler) and
// has a thread of its own.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { inChild, Pool, Process } from 'truefork';
import { _exit, fork, waitpid } from 'truefork/posix';
import type { FixtureOptions } from '../support/run-fixture.js';
import type { Scenarios } from '../support/scenarios.js';

const library = fileURLToPath(
  new URL('../../../build/Release/preloaded_thread.node', import.meta.url),
);

function preloaded(how: string): FixtureOptions {
  return { env: { LD_PRELOAD: library, PRELOADED: how } };
}

async function forkInEveryWay(): Promise<void> {
  const child = new Process({ target: () => inChild(() => {}) });
  child.start();
  assert.equal(await child.join(), 0);
  const pid = fork();
  if (pid === 0) _exit(0);
  assert.equal(waitpid(pid)!.exitcode, 0);
  const pool = new Pool(2);
  assert.deepEqual(await pool.map((n: number) => n + 1, [1, 2, 3]), [2, 3, 4]);
  pool.close();
  await pool.join();
}

async function forkBesideAWorker(): Promise<void> {
  const worker = new Worker('setInterval(() => {}, 1e6)', { eval: true });
  await once(worker, 'online');
  await forkInEveryWay();
  await worker.terminate();
}

/** The threads of this process, in the order in which they were started. */
function threads(): { id: string; name: string }[] {
  return readdirSync('/proc/self/task').map((id) => ({
    id,
    name: readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim(),
  }));
}

export const scenarios: Scenarios = {
  'its thread sleeps': { run: forkInEveryWay, options: preloaded('sleeps') },
  'its thread waits for events': { run: forkInEveryWay, options: preloaded('waits') },
  'its thread computes': { run: forkInEveryWay, options: preloaded('spins') },
  'its thread computes, and there is a Worker': {
    run: forkBesideAWorker,
    stderr: /^\(node:\d+\) \[TRUEFORK_JS_WORKERS\] TrueforkWarning: .*\n.*\n$/,
    options: preloaded('spins'),
  },

  "Node's scheduler does not sleep, and is named": {
    run() {
      const { id, name } = threads()[1]!;
      assert.throws(() => new Process({ target() {} }).start(), {
        code: 'ERR_TRUEFORK_THREAD_BUSY',
        message: new RegExp(`the thread ${id} \\('${name}'\\), with which Node schedules`),
      });
      process.exit(0); // its loop would not end by itself
    },
    options: preloaded('restless'),
  },
};
