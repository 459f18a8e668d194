// The event loop stays alive as long as a pool is waited for or has something to do.
import { ignore } from '../common/ignore.js';
import { clearInterval, setInterval } from '../common/originals.js';
import { onForkedChild } from '../common/per-process.js';
import { inRootContext } from './root-context.js';

/** Nothing is due before that; the timer only has to be there. */
const LONG_MS = 2 ** 30;

const holds = new Set<object>();
/** One for all pools: it refers to the loop while there are holds. */
let timer: NodeJS.Timeout | undefined;

// The pools are the parent's, and so is whatever they would have to wait for.
onForkedChild(() => {
  holds.clear();
  if (timer !== undefined) clearInterval(timer);
  timer = undefined;
});

/** Keeps the event loop alive until the function is called that it returns. */
export function holdLoop(): () => void {
  const hold = {};
  holds.add(hold);
  timer ??= inRootContext(() => setInterval(ignore, LONG_MS));
  timer.ref();
  return () => {
    holds.delete(hold);
    if (holds.size === 0) timer?.unref();
  };
}
