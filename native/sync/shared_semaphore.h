// A semaphore in shared memory. Permits are a count that anybody may change. A
// thread that finds none queues up at a lock (shared_lock.h), and the one that
// holds that lock alone waits for the count: so when a waiter dies, woken or
// not, the lock passes on, and with it the look at the count.
#pragma once

#include "sync/shared_lock.h"

namespace truefork {

// Takes a permit.
Outcome AcquireSemaphore(LockBlock* block, const WaitLimit& limit);

}  // namespace truefork
