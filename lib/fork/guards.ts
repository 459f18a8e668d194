// The conditions under which no fork could end well.
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { ProcessError } from '../common/errors.js';
import { process } from '../common/originals.js';
import { nativeFork } from '../native/fork.js';

function inspectorUrl(): string | undefined {
  if (!process.features.inspector) return undefined;
  const inspector = createRequire(import.meta.url)(
    'node:inspector',
  ) as typeof import('node:inspector');
  return inspector.url();
}

/** V8 samples by SIGPROF, which a thread of its own sends. */
function isProfiling(): boolean {
  return (
    nativeFork.isSignalCaught(constants.signals.SIGPROF) && process.listenerCount('SIGPROF') === 0
  );
}

/** Throws if a fork could not end well; nothing has happened then. */
export function assertCanFork(): void {
  if (!isMainThread) {
    throw new ProcessError(
      'ERR_TRUEFORK_WORKER_THREAD',
      'cannot fork in a worker_threads Worker: the child would have that thread only; ' +
        'fork in the main thread',
    );
  }
  const missing = nativeFork.missingSymbol();
  if (missing !== undefined) {
    throw new ProcessError(
      'ERR_TRUEFORK_UNSUPPORTED',
      `cannot fork: Node ${process.version} does not export ${missing}; ` +
        'truefork needs Node 20, 22, 24 or 26, linked as the official builds are',
    );
  }
  if (Object.isFrozen(Math)) {
    throw new ProcessError(
      'ERR_TRUEFORK_UNSUPPORTED',
      'cannot fork with --frozen-intrinsics: Math.random, of which each process needs one of its own, ' +
        'cannot be replaced there',
    );
  }
  if ((process as typeof process & { _exiting: boolean })._exiting) {
    throw new ProcessError('ERR_TRUEFORK_EXITING', 'cannot fork: the process is exiting');
  }
  if (inspectorUrl() !== undefined) {
    throw new ProcessError(
      'ERR_TRUEFORK_INSPECTOR',
      'cannot fork while the inspector listens: the child would have no thread to serve it; ' +
        'run without --inspect, or call inspector.close() first',
    );
  }
  if (isProfiling()) {
    throw new ProcessError(
      'ERR_TRUEFORK_PROFILER',
      'cannot fork while a CPU profile is being taken: at its end the child would wait for ever for ' +
        'the thread that samples; run without --cpu-prof and --prof, or stop the profiler first',
    );
  }
  if (nativeFork.isInsideVmTimeout()) {
    throw new ProcessError(
      'ERR_TRUEFORK_VM_TIMEOUT',
      'cannot fork inside node:vm code that runs with a timeout: the child would wait for ever for ' +
        'the thread that measures it',
    );
  }
}

/**
 * 'beforeExit' is emitted when the event loop has ended. In a child that drops the
 * call Node would take it for the end of the program.
 */
export function assertCanStart(): void {
  assertCanFork();
  if (!nativeFork.isAtLoopEnd()) return;
  throw new ProcessError(
    'ERR_TRUEFORK_EXITING',
    "cannot start a process in a 'beforeExit' listener; start it in a setImmediate() there",
  );
}
