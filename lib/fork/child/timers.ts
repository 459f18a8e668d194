// The parent's timers and immediates are the parent's.
import { ignore } from '../../common/ignore.js';
import { clearImmediate, clearTimeout, setTimeout } from '../../common/originals.js';
import { precompileForChildren } from '../../common/precompiled.js';
import { nodeInternals, type QueuedImmediate, type QueuedTimer } from '../node-internals.js';

// The places in `immediateInfo`.
const COUNT = 0;
const REF_COUNT = 1;
const IS_CALLING = 2;

/** Counts from here on are below zero: they are unsigned. */
const BELOW_ZERO = 2 ** 31;

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

/**
 * Node's http keeps the text of the Date header for up to a second, until this timer. How many
 * forms of it there are to forget differs from one version to the next.
 */
function resetsDateCache({ _onTimeout }: QueuedTimer): boolean {
  return (
    typeof _onTimeout === 'function' &&
    _onTimeout.name === 'resetCache' &&
    /^function resetCache\(\) {(\s*utc\w* = undefined;?)+\s*}$/.test(String(_onTimeout))
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
  const { timeoutInfo } = nodeInternals();
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
  dropDueImmediates();
}

/**
 * The immediates that are being called. Their count has more than these: Node itself has things to
 * do at the end of the loop's turn, finalizers for one: it will be done before the child begins,
 * and be taken from the count.
 */
function dropDueImmediates(): void {
  const { immediateInfo } = nodeInternals();
  if (immediateInfo[IS_CALLING] !== 0) renewCallbacks();
  immediateInfo[IS_CALLING] = 0;
  immediateInfo[REF_COUNT]! -= immediateInfo[COUNT]!;
  immediateInfo[COUNT] = 0;
}

/** Call it in the child when it begins. */
export function checkImmediates(): void {
  const { immediateInfo } = nodeInternals();
  // Some of those that were due had no ref, and were not in this count.
  if (immediateInfo[REF_COUNT]! >= BELOW_ZERO) immediateInfo[REF_COUNT] = 0;
}

precompileForChildren(
  stopTimers,
  stop,
  queuedTimers,
  queuedImmediates,
  resetsDateCache,
  renewCallbacks,
  dropDueImmediates,
  checkImmediates,
);
