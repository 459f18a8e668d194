// The end of a forked child. process.exit() and uncaught exceptions go through
// Node's exit handler, which native/leave.cc has set; here is the natural end,
// when nothing keeps the event loop alive.
import { isMainThread } from 'node:worker_threads';
import { native } from './native.js';

let isChild = false;
let isNaturalEnd = false;

function leave(): void {
  isNaturalEnd = true;
  process.exit();
}

function onBeforeExit(): void {
  native.atLoopEnd(isChild ? leave : undefined);
  // With a tick to run, Node runs promise jobs as part of a call from native code,
  // the end of which atLoopEnd() waits for.
  process.nextTick(() => {});
}

function onExit(code: number): void {
  native.setExitCode(Number(process.exitCode ?? code));
}

/** During 'exit': whether the event loop had nothing left to do. */
export function endsNaturally(): boolean {
  return isNaturalEnd;
}

function watchLoopEnd(): void {
  process.off('beforeExit', onBeforeExit).prependListener('beforeExit', onBeforeExit);
}

/** Call it in each forked child, when the listeners that it shall not have are gone. */
export function leaveOnNaturalEnd(): void {
  isChild = true;
  watchLoopEnd();
  process.off('exit', onExit).on('exit', onExit);
}

if (isMainThread) watchLoopEnd();
