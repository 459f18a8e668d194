// The parent's timers and immediates are the parent's.
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers';
import { nodeInternals, type QueuedImmediate, type QueuedTimer } from '../node-internals.js';
import { precompileForChildren } from '../posix/precompile.js';

// Places in `immediateInfo`.
const REF_COUNT = 1;
const IS_CALLING = 2;

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

/**
 * Node's function that calls immediates remembers which of those that were due it has yet to
 * call, and would go on with them. One that was made here remembers nothing.
 */
function renewCallbacks(): void {
  const { internalBinding, requireBuiltin, runNextTicks } = nodeInternals();
  const { getTimerCallbacks } = requireBuiltin('internal/timers');
  const { processImmediate, processTimers } = getTimerCallbacks(runNextTicks);
  internalBinding('timers').setupTimers(processImmediate, processTimers);
}

/** Call it in the child: none of the timers and immediates that exist now will fire. */
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
  if (immediateInfo[IS_CALLING] !== 0) renewCallbacks();
  const refs = immediateInfo[REF_COUNT]!;
  if (refs > 0) {
    immediateInfo.fill(0);
    clearImmediate(setImmediate(ignore));
  }
  immediateInfo.set([0, refs, 0]);
}

/**
 * Call it in the child when it begins. What Node itself has to do in the next turn of the loop,
 * finalizers for one, keeps the loop alive as immediates do, and is in the same count. All of it
 * has been done by now, and was taken from the count; what is left there is the parent's.
 */
export function forgetImmediates(): void {
  nodeInternals().immediateInfo[REF_COUNT] = 0;
}

precompileForChildren(
  stopTimers,
  stop,
  queuedTimers,
  queuedImmediates,
  resetsDateCache,
  renewCallbacks,
  forgetImmediates,
);
