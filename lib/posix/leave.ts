// The end of a forked child. process.exit() and uncaught exceptions go through
// Node's exit handler, which native/leave.cc has set; here is the natural end,
// when nothing keeps the event loop alive.
import { native } from './native.js';

let isNaturalEnd = false;

function leave(): void {
  isNaturalEnd = true;
  process.exit();
}

function onBeforeExit(): void {
  // Not at once: other listeners, and the promises they use, may find more to do.
  native.callIfIdle(leave);
}

function onExit(code: number): void {
  native.setExitCode(Number(process.exitCode ?? code));
}

/** During 'exit': whether the event loop had nothing left to do. */
export function endsNaturally(): boolean {
  return isNaturalEnd;
}

/** Call it in each forked child, when the listeners that it shall not have are gone. */
export function leaveOnNaturalEnd(): void {
  process.off('beforeExit', onBeforeExit).on('beforeExit', onBeforeExit);
  process.off('exit', onExit).on('exit', onExit);
}
