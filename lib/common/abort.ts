// Aborts: one listener for each AbortSignal, however many wait with it. Of more than ten Node 20
// warns, and to take one of thousands back takes as long as to look at all of them.
import { type Unsubscribe, Wakers } from './wakers.js';

const watched = new WeakMap<AbortSignal, Wakers>();

function watch(signal: AbortSignal): Wakers {
  const listener = (): void => wakers.wakeAll();
  const wakers: Wakers = new Wakers(() => {
    // A signal often outlives those who wait with it.
    if (wakers.size > 0) signal.addEventListener('abort', listener);
    else signal.removeEventListener('abort', listener);
  });
  watched.set(signal, wakers);
  return wakers;
}

/** Calls `wake` when `signal` is aborted, which it is not yet. */
export function onAbort(signal: AbortSignal, wake: () => void): Unsubscribe {
  return (watched.get(signal) ?? watch(signal)).subscribe(wake);
}
