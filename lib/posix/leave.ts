// The end of a forked child. process.exit() and uncaught exceptions go through
// Node's exit handler, which native/leave.cc has set; here is the natural end,
// when nothing keeps the event loop alive.
import { isMainThread } from 'node:worker_threads';
import { keepInChildren } from '../kept-listeners.js';
import { native } from './native.js';
import { precompileForChildren } from './precompile.js';

/** What Node exits with if the program waits for a promise that nothing can settle. */
const UNSETTLED = 13;

let isChild = false;
let isSettled = true;

/** For a child: whether what it was made for is done. */
export function setSettled(settled: boolean): void {
  isSettled = settled;
}

function ignore(): void {}

function leave(): void {
  if (!isSettled) process.exitCode ??= UNSETTLED;
  process.exit();
}

function onBeforeExit(): void {
  native.atLoopEnd(isChild ? leave : undefined);
  // With a tick to run, Node runs promise jobs as part of a call from native code,
  // the end of which atLoopEnd() waits for.
  process.nextTick(ignore);
}

function onExit(code: number): void {
  if (isChild) native.setExitCode(Number(process.exitCode ?? code));
}

/** Call it in each forked child. */
export function leaveOnNaturalEnd(): void {
  isChild = true;
}

// Here and not in the child, which is to have as little to do as can be.
if (isMainThread) {
  process.prependListener('beforeExit', keepInChildren(onBeforeExit));
  process.on('exit', keepInChildren(onExit));
}

precompileForChildren(ignore, leave, leaveOnNaturalEnd, onBeforeExit, onExit, setSettled);
