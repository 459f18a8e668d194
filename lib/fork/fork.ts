// fork(2) for a running Node.
import { channel } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { check, ProcessError } from '../common/errors.js';
import { copyOfProcess, performance, process } from '../common/originals.js';
import { forgetParent, onForkedChild } from '../common/per-process.js';
import { precompileForChildren } from '../common/precompiled.js';
import { nativeFork } from '../native/fork.js';
import { nativePosix } from '../native/posix.js';
import { close, pipe } from '../posix/descriptors.js';
import { Hooks } from './at-fork.js';
import { openFiles } from './child/opening-files.js';
import { renewStreams } from './child/streams.js';
import { assertCanFork } from './guards.js';
import { countWorkers, warnOfWorkers } from './js-workers.js';
import { leaveOnNaturalEnd } from './leave.js';
import { forgetHooks, warnOfHooks } from './loader-hooks.js';
import { nodeInternals } from './node-internals.js';
import { precompile } from './precompile.js';
import { reseed } from './random.js';
import { awaitReady, reportFailure } from './readiness.js';
import { countSlowJobs, outgrowSlowJobs, startThreadPool } from './slow-jobs.js';

/** How long V8's workers may take to come to rest, in milliseconds. */
const PARK_TIMEOUT_MS = 5000;
/** How long to wait for JS Workers to be idle, in milliseconds: those that compute never are. */
const IDLE_TIMEOUT_MS = 50;

/** The message that is published on the diagnostics channel `truefork:fork`, in the parent. */
export interface ForkMessage {
  pid: number;
  /** How long the parent was busy with the fork, in milliseconds. */
  duration: number;
  /** The resident memory of the parent, in bytes, on which the duration depends. */
  residentBytes: number;
}

const forks = channel('truefork:fork');

const IN_PROGRESS = -constants.errno.EINPROGRESS;

/** The error for a fork that was given up because of a thread: 0 for any of V8's workers. */
function restless(thread: number): ProcessError {
  const time = `${PARK_TIMEOUT_MS / 1000} seconds`;
  if (thread === 0) {
    return new ProcessError(
      'ERR_TRUEFORK_WORKERS_BUSY',
      `cannot fork: V8's worker threads were busy for ${time}; try again`,
    );
  }
  return new ProcessError(
    'ERR_TRUEFORK_THREAD_BUSY',
    `cannot fork: the thread ${thread}${nameOf(thread)}, with which Node schedules V8's delayed ` +
      `tasks, has not slept for ${time}, and may hold a lock that the child would find locked; try again`,
  );
}

function nameOf(thread: number): string {
  try {
    return ` ('${readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim()}')`;
  } catch {
    return '';
  }
}

const NO_ENTRY = -constants.errno.ENOENT;

function procIsMissing(): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_UNSUPPORTED',
    "cannot fork without /proc: it says where V8's heap lies and whether other threads sleep; mount it " +
      '(`mount -t proc proc /proc`)',
  );
}

/** Calls the native fork until V8's workers have come to rest. */
function forkNow(report: number, loopGoesOn: boolean): number {
  const start = performance.now();
  for (;;) {
    const elapsed = performance.now() - start;
    // Each turn lets V8 handle its interrupts: a worker may be waiting for this
    // thread to collect garbage.
    const jsWorkers = elapsed < IDLE_TIMEOUT_MS ? countWorkers() : 0;
    const pid = nativeFork.fork(report, loopGoesOn, jsWorkers);
    if (pid === NO_ENTRY) throw procIsMissing();
    if (pid !== IN_PROGRESS) return check(pid, 'fork');
    if (elapsed < PARK_TIMEOUT_MS) continue;
    throw restless(nativeFork.giveUpFork());
  }
}

/** The first step of every child, whatever it is for. */
function becomeChild(): void {
  const pid = { value: nativePosix.getpid(), enumerable: true, configurable: true };
  for (const object of [process, copyOfProcess]) Object.defineProperty(object, 'pid', pid);
  forgetParent();
}

/** Facts of the moment of the fork that the child needs. */
interface Beginnings {
  setUp: () => void;
  slowJobs: number;
  hooks: Hooks;
}

/** Here and not inside of another function: it is compiled in the parent. */
function getReady({ setUp, slowJobs, hooks }: Beginnings): void {
  becomeChild();
  // Before the set-up, which may start the thread pool.
  outgrowSlowJobs(slowJobs);
  setUp();
  leaveOnNaturalEnd();
  hooks.after('afterInChild');
}

/** Forks, and returns when the child is ready. */
function forkAndGetReady(loopGoesOn: boolean, beginnings: Beginnings): number {
  const [report, reportInChild] = pipe();
  let pid: number;
  try {
    pid = forkNow(reportInChild, loopGoesOn);
  } catch (error) {
    close(report);
    close(reportInChild);
    throw error;
  }
  if (pid === 0) {
    try {
      close(report);
      getReady(beginnings);
      close(reportInChild);
    } catch (error) {
      reportFailure(reportInChild, error);
    }
    return 0;
  }
  close(reportInChild);
  try {
    awaitReady(pid, report);
  } finally {
    close(report);
  }
  return pid;
}

/**
 * Forks, if that is possible: see {@link assertCanFork}. In the child `setUp` runs before anything
 * else of it can; an error in there is thrown in the parent.
 *
 * @param loopGoesOn whether what the parent's event loop had to do is done in the child as well
 * @returns the child's pid, or 0 in the child
 */
export function forkWith(loopGoesOn: boolean, setUp: () => void): number {
  nodeInternals();
  warnOfWorkers();
  warnOfHooks();
  precompile();
  const slowJobs = countSlowJobs();
  const hooks = new Hooks();
  hooks.before();
  const start = performance.now();
  let pid: number | undefined;
  try {
    pid = forkAndGetReady(loopGoesOn, { setUp, slowJobs, hooks });
  } finally {
    if (pid !== 0) hooks.after('afterInParent');
  }
  if (pid !== 0 && forks.hasSubscribers) {
    const duration = performance.now() - start;
    forks.publish({
      pid,
      duration,
      residentBytes: process.memoryUsage.rss(),
    } satisfies ForkMessage);
  }
  return pid;
}

/** The steps of a child that goes on from here. */
function goOn(): void {
  startThreadPool();
  renewStreams(true);
}

/**
 * fork(2) — makes a second process that goes on from here, as POSIX says: the call returns twice.
 * The child has a copy of everything in memory; its event loop goes on with the same timers, ticks
 * and handles as the parent's, and its descriptors are the parent's. Use `Process` unless that is
 * what you want.
 *
 * Only the calling thread exists in the child: what libuv's thread pool had in hand (fs,
 * dns.lookup, crypto, zlib) comes back in the parent alone, and those promises stay pending in the
 * child; JS Workers are seen as ended. `process.pid` and all random numbers are the child's own. It
 * ends through `_exit()`, after its 'exit' listeners, the parent's among them.
 *
 * Takes about as long as it takes the kernel to copy the page tables: 30 µs for each megabyte of
 * resident memory.
 *
 * @returns the child's pid, or 0 in the child
 * @throws SystemError `EAGAIN`, `ENOMEM`, and what the child's set-up failed with
 * @throws ProcessError `ERR_TRUEFORK_WORKER_THREAD`, `ERR_TRUEFORK_INSPECTOR`,
 *   `ERR_TRUEFORK_PROFILER`, `ERR_TRUEFORK_VM_TIMEOUT`, `ERR_TRUEFORK_EXITING`: not possible from
 *   here; `ERR_TRUEFORK_WORKERS_BUSY`, `ERR_TRUEFORK_THREAD_BUSY`: not possible now;
 *   `ERR_TRUEFORK_UNSUPPORTED`: not by this Node
 */
export function fork(): number {
  assertCanFork();
  openFiles();
  return forkWith(true, goOn);
}

onForkedChild(reseed);
onForkedChild(forgetHooks);
precompileForChildren(becomeChild, getReady, goOn);
