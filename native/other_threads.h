// Threads that are none of V8's own (Workers, thread pools of addons) cannot be
// parked: a fork may catch them holding a lock or with a new page of V8's heap
// in their hands. Asleep, they do neither.
#pragma once

namespace truefork {

// Waits until all other threads of this process are asleep, at most `limit_ms`.
// A guess at a good moment, not a guarantee.
void WaitForQuiet(int limit_ms);

}  // namespace truefork
