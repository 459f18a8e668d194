// Handles that a child shares with its parent. Until no frame of the parent is
// left on the stack no JavaScript can run in the child: a connection that it
// accepted before, or data that it read, would be lost. So they rest until
// then.
//
// It relies on the layout of libuv's handles: guarded by test/servers/inherit.
#pragma once

#include <uv.h>

namespace truefork {

void PauseKept(uv_handle_t* handle);

// Does nothing to a handle that was not paused.
void ResumeKept(uv_handle_t* handle);

}  // namespace truefork
