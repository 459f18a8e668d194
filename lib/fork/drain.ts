// The end of a process whose work is done: what that has begun and not awaited comes to its end
// first.
import { emitWarning, nextTurn, performance, process, sleep } from '../common/originals.js';
import { precompileForChildren } from '../common/precompiled.js';
import { nativeFork } from '../native/fork.js';

/** How long requests may take that are under way when a process has nothing else to do. */
const DRAIN_TIMEOUT_MS = 5000;
/** How often to look for the end of them. */
const LOOK_EVERY_MS = 1;
/** A callback may begin the next request in a tick, or an immediate, of its own. */
const QUIET_TURNS = 2;

function warn(): void {
  const kinds = process
    .getActiveResourcesInfo()
    .filter((kind) => /Req(Wrap|Callback|Promise)?$/.test(kind));
  const what = kinds.length === 0 ? 'requests' : [...new Set(kinds)].join(', ');
  emitWarning(
    `Process ${process.pid} had nothing left to do but what was begun and not awaited, and ended ` +
      `${DRAIN_TIMEOUT_MS / 1000} seconds later without the end of: ${what}. Await it in the function.`,
    { type: 'TrueforkWarning', code: 'TRUEFORK_REQUESTS_DROPPED' },
  );
}

/**
 * Waits until the event loop has no request under way: files, look-ups of names, compression, what
 * is written to sockets; and what their callbacks begin. Timers, servers, open connections and
 * Workers are not waited for, for they may be there for as long as the process is.
 */
export async function finishRequests(): Promise<void> {
  const end = performance.now() + DRAIN_TIMEOUT_MS;
  for (let quiet = 0; quiet < QUIET_TURNS;) {
    await nextTurn();
    const isQuiet = nativeFork.activeRequests() === 0;
    quiet = isQuiet ? quiet + 1 : 0;
    if (isQuiet) continue;
    if (performance.now() > end) {
      warn();
      await nextTurn(); // the warning is printed in a tick
      return;
    }
    await sleep(LOOK_EVERY_MS);
  }
}

precompileForChildren(finishRequests);
