#pragma once

#include <uv.h>

namespace truefork {

// In a child that goes on with the parent's loop: makes the loop forget the
// requests that only a thread of the parent's pool can finish. They would keep
// the child alive for ever.
void ForgetLostRequests(uv_loop_t* loop);

// In a child that does not: drops what is finished and would be called back.
void DropFinishedRequests(uv_loop_t* loop);

}  // namespace truefork
