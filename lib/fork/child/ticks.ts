// Ticks and microtasks: functions that the parent had put off until its current callback ends.
import { ignore } from '../../common/ignore.js';
import { process } from '../../common/originals.js';
import { precompileForChildren } from '../../common/precompiled.js';
import { nodeInternals } from '../node-internals.js';

// The places in `tickInfo`.
const HAS_TICK = 0;
const HAS_REJECTION = 1;

/**
 * A promise that the parent rejected just now, and may still give a handler, is
 * not for the child to report.
 */
function dropRejections(): void {
  // In some modes of --unhandled-rejections the one is asked, in others the other.
  process.on('unhandledRejection', ignore);
  process.on('uncaughtException', ignore);
  nodeInternals().processPromiseRejections();
  process.off('unhandledRejection', ignore);
  process.off('uncaughtException', ignore);
}

/**
 * Call it in the child, when the parent's listeners are gone: drops ticks and
 * rejections. (Microtasks go with the parent's stack.)
 */
export function dropTicks(): void {
  const { queue, tickInfo, clearAsyncIdStack } = nodeInternals();
  if (tickInfo[HAS_REJECTION] !== 0) dropRejections();
  if (tickInfo[HAS_TICK] !== 0) while (queue.shift() !== null);
  // Node goes by this, and not by the queue, when it is to run promise jobs.
  tickInfo[HAS_TICK] = 0;
  clearAsyncIdStack();
}

precompileForChildren(dropTicks);
