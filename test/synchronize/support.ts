// Support for the tests of locks and the like.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { Process } from 'truefork';
import { fork, mmap, waitpid } from 'truefork/posix';
import { sleep, until } from '../support/observe.js';

export function started(target: () => unknown): Process {
  const child = new Process({ target });
  child.start();
  return child;
}

/** For checks that the child makes of itself. */
export async function succeeds(target: () => unknown): Promise<void> {
  assert.equal(await started(target).join(), 0);
}

/** Until it is killed, and not longer than the test. */
export function hang(): Promise<void> {
  return sleep(100_000);
}

/** Numbers that all processes share. */
export function sharedNumbers(length: number): Int32Array {
  return new Int32Array(mmap(length * 4));
}

/** As {@link until}, for a number in shared memory. */
export function untilIs(numbers: Int32Array, index: number, value: number): Promise<void> {
  return until(() => Atomics.load(numbers, index) === value);
}

/** futex(2) on x64 and arm64, futex_waitv(2). */
const FUTEX = new Set([202, 98]);
const FUTEX_WAITV = 449;

function systemCall(pid: number, thread: string | number): number {
  try {
    return parseInt(readFileSync(`/proc/${pid}/task/${thread}/syscall`, 'utf8'));
  } catch {
    return NaN; // it has ended meanwhile
  }
}

/** Whether a waiter thread of the process waits. */
function hasThreadWaiting(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).some((id) => systemCall(pid, id) === FUTEX_WAITV);
}

/** Until the process waits for something in shared memory, be it blocked or by a waiter thread. */
export async function untilWaiting(pid: number | null = process.pid): Promise<void> {
  // V8 blocks the main thread, too, but not for long.
  let times = 0;
  await until(() => {
    times = FUTEX.has(systemCall(pid!, pid!)) ? times + 1 : 0;
    return times === 4 || hasThreadWaiting(pid!);
  });
}

/** Starts a child that waits for something; resolves when it does. */
export async function startedWaiting(target: () => unknown): Promise<Process> {
  const child = started(target);
  await untilWaiting(child.pid);
  return child;
}

/** Whether the promise is settled by the time that everything at hand is done. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => void (settled = true);
  promise.then(note, note);
  for (let turn = 0; turn < 5; turn++) await sleep(2);
  return settled;
}

/** An exit code. */
export const ENDED_BY_ITSELF = 7;

/**
 * The exit code of a child of posix.fork() that goes on from here, does `act` and ends by itself.
 */
export async function exitcodeAfterFork(act: () => unknown): Promise<number> {
  const pid = fork();
  if (pid === 0) {
    await act();
    process.exitCode = ENDED_BY_ITSELF;
    await new Promise(() => {}); // nothing keeps it alive
  }
  const end = waitpid(pid);
  return end!.exitcode!;
}

export async function kill(child: Process): Promise<void> {
  child.kill();
  assert.equal(await child.join(), -9);
}

export function misuse(
  code: string,
  message: string,
): { name: string; code: string; message: string } {
  return { name: 'ProcessError', code: `ERR_TRUEFORK_${code}`, message };
}
