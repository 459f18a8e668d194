// How an attempt to acquire ends: native/sync/shared_lock.h's Outcome.

export const TIMED_OUT = 0;
export const DONE = 1;
/** Done, and the one who held it before died with it. */
export const OWNER_DIED = 2;
export const CANCELLED = 3;
/** It cannot be cancelled any more: kGoesOn of native/waiter/waiter_thread.h. */
export const GOES_ON = 5;

/** Added to the outcome if the kernel was told who holds the lock. */
export const IS_LISTED = 16;
