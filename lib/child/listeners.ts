// The parent's listeners on `process` are the parent's: its cleanup at exit, its
// signal handlers, its IPC channel.
import { isKeptInChildren } from '../kept-listeners.js';
import { precompileForChildren } from '../posix/precompile.js';

/** Listeners that Node itself has on `process`, by event. */
const NODES_OWN: Record<string, RegExp> = {
  newListener: /./, // start to listen for a signal
  removeListener: /./, // and stop
  warning: /^onWarning$/, // prints it
  SIGWINCH: /^refreshStd(out|err)OnSigWinch$/,
};

type Listener = (...args: unknown[]) => void;

function isNodesOwn(event: string | symbol, { name }: Listener): boolean {
  return typeof event === 'string' && NODES_OWN[event]?.test(name) === true;
}

/** Call it in the child. */
export function removeListeners(): void {
  for (const event of process.eventNames()) {
    for (const listener of process.rawListeners(event) as Listener[]) {
      if (isKeptInChildren(listener) || isNodesOwn(event, listener)) continue;
      process.off(event, listener);
    }
  }
  if (process.hasUncaughtExceptionCaptureCallback()) {
    process.setUncaughtExceptionCaptureCallback(null);
  }
}

/** Call it in the child of a process that child_process.fork() has made. */
export function dropChannel(): void {
  if (process.send === undefined) return;
  // Its descriptor has gone with the other handles.
  const nothing = { value: undefined, writable: true, configurable: true, enumerable: true };
  Object.defineProperties(process, {
    send: nothing,
    disconnect: nothing,
    channel: nothing,
    connected: { ...nothing, value: false },
  });
}

precompileForChildren(removeListeners, isNodesOwn, dropChannel);
