// Process.start() never returns in the child: the JavaScript that called it is
// the parent's. Its frames are dropped without running a `catch` or a
// `finally`, and so are the microtasks that it had queued. Back at the event
// loop the child begins with a function of its own.
//
// It relies on V8's terminations and on how Node calls into JavaScript: guarded
// by test/contexts/contexts and test/fork/child/under-way.
#pragma once

#include <napi.h>
#include <uv.h>

#include "loop/inherited_handles.h"

namespace truefork {

// Call it in the child, last of all; JavaScript ends soon after it returns.
// `spared_calls`: how many calls into JavaScript Node will make before it is
// back at the loop, and repeat for ever if they do not return.
// `collects`: see foreground_tasks.h.
void AbandonStack(Napi::Function begin, uv_loop_t* loop, Descriptors keep,
                  int spared_calls, bool collects);

}  // namespace truefork
