// The end of a forked child. process.exit() and uncaught exceptions go through
// Node's exit handler, which native/fork/leave.cc has set; here is the natural end,
// when nothing keeps the event loop alive.
import { isMainThread } from 'node:worker_threads';
import { ignore } from '../common/ignore.js';
import { nextTick, process } from '../common/originals.js';
import { precompileForChildren } from '../common/precompiled.js';
import { nativeFork } from '../native/fork.js';
import { exitCode, setExitCode } from './exit-code.js';
import { keepInChildren } from './kept-listeners.js';
import { nodeInternals } from './node-internals.js';
import { say } from './say.js';

/** Node's exit code for a program that waits for a promise which nothing can settle. */
const EXIT_UNSETTLED = 13;

let isChild = false;
let pending: string | undefined;

/** For a child: its name, until what it was made for is done. */
export function setPending(name: string | undefined): void {
  pending = name;
}

function reportUnsettled(name: string): void {
  say(
    `Process ${name} ends with exit code ${EXIT_UNSETTLED}: its target waits for a promise that nothing in this ` +
      'process will settle. What the parent had under way when it forked, such as timers and requests, ' +
      'is settled in the parent alone.\n',
  );
}

const ending = process as typeof process & { _exiting: boolean };

/**
 * For a child: ends it as process.exit() does, which is the program's to replace: test runners have
 * it throw.
 */
export function exit(code?: number): never {
  if (code !== undefined) setExitCode(code);
  if (!ending._exiting) {
    ending._exiting = true;
    process.emit('exit', exitCode() ?? 0);
  }
  return nodeInternals()
    .internalBinding('process_methods')
    .reallyExit(exitCode() ?? 0);
}

function leave(): void {
  if (pending !== undefined && exitCode() === undefined) {
    reportUnsettled(pending);
    setExitCode(EXIT_UNSETTLED);
  }
  exit();
}

function onBeforeExit(): void {
  nativeFork.atLoopEnd(isChild ? leave : undefined);
  // With a tick to run, Node runs promise jobs as part of a call from native code,
  // the end of which atLoopEnd() waits for.
  nextTick(ignore);
}

function onExit(code: number): void {
  if (isChild) nativeFork.setExitCode(exitCode() ?? code);
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

precompileForChildren(
  leave,
  exit,
  leaveOnNaturalEnd,
  onBeforeExit,
  onExit,
  setPending,
  reportUnsettled,
);
