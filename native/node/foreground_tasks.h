// V8 gives the main thread tasks, through Node's platform: to settle the
// promise of WebAssembly.compile() or Atomics.waitAsync(), to call finalizers,
// to collect garbage. At a fork some are queued, some wait for a timer, and a
// worker that compiles for the parent posts one later, in the child as well.
// The child does them all, because V8 counts on that, but with JavaScript
// terminated, and drops the promise jobs that come of them: nothing of the
// parent's program goes on.
//
// Which are the parent's, the object tells through which V8 posts them: V8 asks
// the platform for one when a job begins, and keeps it. From the fork on the
// child gets another one.
//
// It relies on the classes of Node's platform: guarded by
// test/fork/child/platform-tasks.
#pragma once

#include <uv.h>

namespace truefork {

// Call it in the child of a Process, while the main thread is the only one, and
// after its loop is made anew. 0 or -errno.
int DisownForegroundTasks(uv_loop_t* loop);

// Does what the parent left. Call it from the loop, while JavaScript is
// terminated, before any of the child's own has run. `collects`: whether there
// may be promises that a collection settles, of vm.measureMemory().
void SettleForegroundTasks(uv_loop_t* loop, bool collects);

}  // namespace truefork
