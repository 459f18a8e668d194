// The parent's listeners on `process` are the parent's: its cleanup at exit, its
// signal handlers, its IPC channel.
import { process } from '../../common/originals.js';
import { precompileForChildren } from '../../common/precompiled.js';
import { isKeptInChildren } from '../kept-listeners.js';

type Listener = (...args: unknown[]) => void;

/** Node's listeners for listeners that come and go: for signals, and for 'multipleResolves'. */
const watchers = new Set(
  (['newListener', 'removeListener'] as const)
    .flatMap((event) => process.listeners(event as 'exit') as Listener[])
    .filter((listener) => listener.name.endsWith('ListeningIfSignal') || isOfPromises(listener)),
);

function isOfPromises(listener: Listener): boolean {
  return String(listener).includes('hasMultipleResolvesListener');
}

/** Others that Node has on `process`. (No patterns: a child would compile them.) */
const NODES_OWN: Record<string, readonly string[]> = {
  warning: ['onWarning'], // prints it
  SIGWINCH: ['refreshStdoutOnSigWinch', 'refreshStderrOnSigWinch'],
};

function isNodesOwn(event: string | symbol, listener: Listener): boolean {
  if (watchers.has(listener)) return true;
  return typeof event === 'string' && NODES_OWN[event]?.includes(listener.name) === true;
}

/** Call it in the child. */
export function removeListeners(): void {
  for (const event of process.eventNames()) {
    for (const listener of process.rawListeners(event) as Listener[]) {
      if (isKeptInChildren(listener) || isNodesOwn(event, listener)) continue;
      process.off(event, listener);
    }
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
