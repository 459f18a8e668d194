// The parent's handlers of uncaught exceptions stay with the parent: in the child such exceptions
// are reported as in any process.
import { createRequire } from 'node:module';
import { process } from '../../common/originals.js';
import { precompileForChildren } from '../../common/precompiled.js';
import { nodeInternals } from '../node-internals.js';

interface Domain extends NodeJS.EventEmitter {
  exit(): void;
}

interface DomainModule {
  /** The domains that the running code is in, innermost last. */
  _stack: Domain[];
}

const require = createRequire(import.meta.url);

/**
 * Where node:domain is in use, as in a REPL, it owns the callback for exceptions, and throws if
 * somebody takes it away.
 */
function leaveDomains(): void {
  const { moduleLoadList } = process as typeof process & { moduleLoadList: string[] };
  if (!moduleLoadList.includes('NativeModule domain')) return;
  const { _stack: stack } = require('node:domain') as unknown as DomainModule;
  for (const domain of stack) domain.removeAllListeners('error');
  while (stack.length > 0) stack[0]!.exit();
}

/** Call it in the child, before the parent's listeners go. */
export function removeExceptionHandlers(): void {
  leaveDomains();
  if (process.hasUncaughtExceptionCaptureCallback()) {
    process.setUncaughtExceptionCaptureCallback(null);
  }
  const { exceptionHandlerState } = nodeInternals();
  if (exceptionHandlerState?.auxiliaryCallbacks)
    exceptionHandlerState.auxiliaryCallbacks.length = 0;
}

precompileForChildren(removeExceptionHandlers, leaveDomains);
