// The parent's timers and immediates are the parent's.
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers';
import { nodeInternals, type QueuedImmediate, type QueuedTimer } from '../node-internals.js';
import { precompileForChildren } from '../posix/precompile.js';

function ignore(): void {}

function queuedTimers(): QueuedTimer[] {
  const timers = [];
  for (const head of Object.values(nodeInternals().timerListMap)) {
    for (let timer = head._idlePrev; timer !== null && timer !== head; timer = timer._idlePrev) {
      timers.push(timer);
    }
  }
  return timers;
}

function queuedImmediates(): QueuedImmediate[] {
  const immediates = [];
  let immediate = nodeInternals().immediateQueue.head;
  for (; immediate !== null; immediate = immediate._idleNext) immediates.push(immediate);
  return immediates;
}

/**
 * Takes a timer out of its queue and leaves it as one that has fired: a library
 * that keeps a timer to `refresh()` it, as the fetch of Node does, still can.
 */
function stop(timer: QueuedTimer): void {
  const { _idleTimeout, _onTimeout, _timerArgs } = timer;
  clearTimeout(timer as unknown as NodeJS.Timeout);
  Object.assign(timer, { _idleTimeout, _onTimeout, _timerArgs });
}

/** Node's http keeps the text of the Date header for up to a second, until this timer. */
function resetsDateCache({ _onTimeout }: QueuedTimer): boolean {
  return (
    typeof _onTimeout === 'function' &&
    _onTimeout.name === 'resetCache' &&
    /^function resetCache\(\) {\s*utcCache = undefined;?\s*}$/.test(String(_onTimeout))
  );
}

/** Call it in the child: none of the timers that exist now will fire. */
export function stopTimers(): void {
  const { timeoutInfo, immediateInfo } = nodeInternals();
  for (const timer of queuedTimers()) {
    if (resetsDateCache(timer)) (timer._onTimeout as () => void)();
    stop(timer);
  }
  for (const immediate of queuedImmediates()) {
    clearImmediate(immediate as unknown as NodeJS.Immediate);
  }
  // One that is in the middle of its callback is in no queue, but was counted, and
  // would keep the loop alive for ever. Node sees a count of zero when it clears one.
  if (timeoutInfo[0] !== 0) {
    timeoutInfo[0] = 0;
    clearTimeout(setTimeout(ignore, 1));
  }
  if (Math.max(...immediateInfo) > 0) {
    immediateInfo.fill(0);
    clearImmediate(setImmediate(ignore));
  }
}

precompileForChildren(stopTimers, stop, queuedTimers, queuedImmediates, resetsDateCache);
