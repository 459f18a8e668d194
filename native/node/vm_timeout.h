// vm's `timeout` option runs a watchdog on a thread of its own, which its
// destructor joins: in a forked child, for ever. Node does not tell whether one
// is running, but its Watchdog lives on this thread's stack, and in it a libuv
// timer with a callback that we know.
//
// It relies on where that class keeps its timer: guarded by
// test/failures/refusals.
#pragma once

namespace truefork {

// Whether the caller runs, directly or not, inside vm code with a timeout.
bool InsideVmTimeout();

}  // namespace truefork
