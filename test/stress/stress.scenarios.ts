import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Pipe, Process } from 'truefork';
import { useEverything } from '../support/capabilities.js';
import { children } from '../support/observe.js';
import { rounds } from '../support/rounds.js';
import type { Scenario, Scenarios } from '../support/scenarios.js';
import { Crowd, ForkedCrowd } from './crowd.js';
import { assertNothingLeft } from './footprint.js';
import { InFlight, poolJobs, runOnce, serveAnswers, socketJobs, stopServing } from './jobs.js';
import { churn, churned, churnOn, forgetChurn } from './load.js';

/** So much load, and so many forks, until the heap does not grow any more. */
const WARM_UP_ROUNDS = 80;
const WARM_UP_FORKS = 20;

/** Run Node with --expose-gc. */
declare const gc: () => void;

/** Where a fork takes 0.2 s three hundred of a busy parent take five minutes. */
const TIMEOUT_MS = 900_000;

function withGc(run: () => unknown): Scenario {
  return { run, options: { nodeArgs: ['--expose-gc'], timeout: TIMEOUT_MS } };
}

async function warmUp(): Promise<void> {
  for (let i = 0; i < WARM_UP_ROUNDS; i++) {
    churnOn(1);
    await turn();
  }
  await churned();
}

/** Runs `forkSome` for a while, then in earnest. */
async function leavesNothing(forks: number, forkSome: (n: number) => Promise<void>): Promise<void> {
  await warmUp();
  await forkSome(WARM_UP_FORKS);
  await assertNothingLeft(forks, forkSome);
}

/** A child that allocates and compiles, and has `generations` of descendants that do. */
async function live(generations: number): Promise<void> {
  forgetChurn();
  churnOn(1);
  if (generations > 0) {
    const child = new Process({ target: () => live(generations - 1) });
    child.start();
    churnOn(1);
    assert.equal(await child.join(), 0);
  }
  await churned();
}

/** Collections that look through the stacks of all threads, while the threads compile. */
function collectWhileCompiling(): void {
  for (let i = 0; i < 10; i++) {
    churnOn(1);
    gc();
  }
}

async function startMany(n: number): Promise<void> {
  const crowd = new Crowd();
  for (let i = 0; i < n; i++) {
    churnOn(1);
    crowd.start(() => live(i % 10 === 0 ? 2 : 0));
    await crowd.roomForOne();
    await turn();
  }
  await crowd.allEnded();
  await churned();
}

async function forkMany(n: number): Promise<void> {
  const crowd = new ForkedCrowd();
  for (let i = 0; i < n; i++) {
    churnOn(1);
    await crowd.fork(() => live(i % 10 === 0 ? 2 : 0));
    await turn();
  }
  await crowd.allEnded();
  await churned();
}

/** A child that needs the thread pool itself. */
async function liveWithPool(): Promise<void> {
  forgetChurn();
  churn(1);
  await runOnce(poolJobs);
}

async function startWhileJobsRun(n: number): Promise<void> {
  const server = await serveAnswers();
  const inFlight = new InFlight({ ...poolJobs, ...socketJobs(server) });
  const crowd = new Crowd();
  for (let i = 0; i < n; i++) {
    churnOn(1);
    crowd.start(liveWithPool);
    await crowd.roomForOne();
    await turn();
  }
  await crowd.allEnded();
  await inFlight.stop();
  for (const [name, count] of Object.entries(inFlight.done)) assert.ok(count > 2, name);
  await stopServing(server);
}

/** Children that go on with the event loop, which none of the jobs wakes up there. */
async function forkWhilePoolWorks(n: number): Promise<void> {
  const inFlight = new InFlight(poolJobs);
  const crowd = new ForkedCrowd();
  for (let i = 0; i < n; i++) {
    churnOn(1);
    await crowd.fork(liveWithPool);
    await turn();
  }
  await crowd.allEnded();
  await inFlight.stop();
}

/** Children that end before their event loop could take what comes in for the parent. */
async function forkWhileJobsRun(n: number): Promise<void> {
  const server = await serveAnswers();
  const inFlight = new InFlight({ ...poolJobs, ...socketJobs(server) });
  const crowd = new ForkedCrowd();
  for (let i = 0; i < n; i++) {
    churnOn(1);
    await crowd.fork(() => {
      churn(1);
      process.exit(0);
    });
    await turn();
  }
  await crowd.allEnded();
  await inFlight.stop();
  await stopServing(server);
}

async function startFromCallbacks(n: number): Promise<void> {
  const server = await serveAnswers();
  const jobs = { ...poolJobs, ...socketJobs(server) };
  const names = Object.keys(jobs);
  const left = new Map(names.map((name) => [name, Math.ceil(n / names.length)]));
  const crowd = new Crowd();
  const inFlight = new InFlight(jobs, (name) => {
    if (left.get(name) === 0 || crowd.isFull) return;
    left.set(name, left.get(name)! - 1);
    churnOn(1);
    crowd.start(liveWithPool);
  });
  while ([...left.values()].some((count) => count > 0)) await turn();
  await inFlight.stop();
  await crowd.allEnded();
  await churned();
  await stopServing(server);
}

const ECHO = `
  const { parentPort } = require('node:worker_threads');
  parentPort.on('message', (message) => parentPort.postMessage(message));
`;

/** As V8 makes every idle Worker do now and then. */
const COLLECT = `
  const kept = Array.from({ length: 100_000 }, (_, i) => ({ i, text: 'x' + i }));
  setInterval(() => gc(), 300);
  require('node:worker_threads').parentPort.postMessage(kept.length);
`;

/** Children that collect garbage need locks that the Workers may have held. */
async function startBesideCollectingWorkers(n: number): Promise<void> {
  const workers = [new Worker(COLLECT, { eval: true }), new Worker(COLLECT, { eval: true })];
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  for (let i = 0; i < n; i++) {
    const child = new Process({ target: () => gc() });
    child.start();
    assert.equal(await child.join(20_000), 0);
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
}

async function ask(worker: Worker, question: number): Promise<void> {
  const answered = once(worker, 'message');
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  worker.postMessage(question);
  assert.deepEqual(await answered, [question]);
}

async function startBesideWorkers(n: number): Promise<void> {
  const workers = [new Worker(ECHO, { eval: true }), new Worker(ECHO, { eval: true })];
  const crowd = new Crowd();
  for (let i = 0; i < n; i++) {
    await Promise.all(workers.map((worker) => ask(worker, i)));
    churnOn(1);
    crowd.start(liveWithPool);
    await crowd.roomForOne();
  }
  await crowd.allEnded();
  await churned();
  await Promise.all(workers.map((worker) => worker.terminate()));
}

/** All are there before the first of them begins. */
async function crowdAtOnce(n: number): Promise<void> {
  const [gate, opener] = Pipe(false);
  const all = Array.from({ length: n }, () => {
    churnOn(1);
    const child = new Process({
      target: async () => {
        opener.close();
        await assert.rejects(gate.recv(), { code: 'ERR_TRUEFORK_EOF' });
        await live(0);
      },
    });
    child.start();
    return child;
  });
  assert.equal(children().size, n);
  opener.close();
  gate.close();
  const codes = await Promise.all(all.map((child) => child.join()));
  assert.ok(codes.every((code) => code === 0));
  await churned();
}

const WORKERS_WARNING = /^\(node:\d+\) \[TRUEFORK_JS_WORKERS\] TrueforkWarning: .*\n.*\n$/;

export const scenarios: Scenarios = {
  'three hundred children, of a parent that allocates and compiles': withGc(() =>
    leavesNothing(300, startMany),
  ),

  'posix.fork(): a hundred children, of a parent that allocates and compiles': withGc(() =>
    leavesNothing(100, forkMany),
  ),

  'jobs, requests and programs in flight come to their end': withGc(() =>
    leavesNothing(rounds(120), startWhileJobsRun),
  ),

  'posix.fork(): jobs, requests and programs in flight come to their end': withGc(() =>
    leavesNothing(rounds(120), forkWhileJobsRun),
  ),

  'posix.fork(): children have a thread pool, be it as busy as it likes in the parent': withGc(() =>
    leavesNothing(rounds(80), forkWhilePoolWorks),
  ),

  'start() from the callbacks of jobs, requests and programs': withGc(() =>
    leavesNothing(rounds(120), startFromCallbacks),
  ),

  'Workers that are idle but for their garbage do no harm': {
    ...withGc(() => startBesideCollectingWorkers(rounds(60))),
    stderr: WORKERS_WARNING,
  },

  'idle Workers live on': {
    ...withGc(() => leavesNothing(rounds(80), startBesideWorkers)),
    stderr: WORKERS_WARNING,
  },

  'a hundred children alive at once': withGc(() => leavesNothing(200, crowdAtOnce)),

  'children that collect all garbage while they compile': withGc(async () => {
    for (let i = 0; i < rounds(20); i++) {
      const child = new Process({ target: collectWhileCompiling });
      child.start();
      assert.equal(await child.join(), 0);
    }
  }),

  async 'a child of a busy parent can do everything'() {
    const server = await serveAnswers();
    const inFlight = new InFlight({ ...poolJobs, ...socketJobs(server) });
    for (let i = 0; i < 10; i++) {
      churnOn(2);
      const child = new Process({ target: useEverything });
      child.start();
      churnOn(2);
      assert.equal(await child.join(), 0);
    }
    await inFlight.stop();
    await churned();
    await stopServing(server);
  },
};
