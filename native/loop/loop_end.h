// The end of the event loop, which Node announces by 'beforeExit'. A listener
// may give the loop more to do; if none does, Node takes it for the end of the
// program.
//
// It relies on when Node emits the event: guarded by test/fork/child/events and
// test/process/process.
#pragma once

#include <napi.h>
#include <uv.h>

namespace truefork {

// Call it during 'beforeExit'. Then `leave`, if it is a function, is called in
// the next turn of the loop, unless there is more to do.
//
// A child must not let Node notice the end: it looks at the module that the
// program was started with, which a child may have left in the middle of an
// evaluation that never goes on.
void AtLoopEnd(uv_loop_t* loop, Napi::Value leave);

// Whether 'beforeExit' is not over: not for its listeners, and not for the
// promises that they wait for.
bool IsAtLoopEnd();

}  // namespace truefork
