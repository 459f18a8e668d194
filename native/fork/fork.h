// The fork itself: every other file here that mentions forked children is one
// step of it.
#pragma once

#include <napi.h>
#include <uv.h>

#include "loop/loop_fork.h"

namespace truefork {

struct ForkOptions {
  // Where the child reports a failure to get ready: "errno syscall".
  int report_fd;
  LoopInChild loop_in_child;
  // How many worker_threads Workers there are that must be idle.
  int js_workers;
};

// fork(2) for a process that runs V8. Returns the child's pid in the parent, 0
// in the child, or a negative errno; -EINPROGRESS means "not yet, call again"
// (v8_workers.h, sleeping_threads.h), until GiveUpFork().
pid_t Fork(Napi::Env env, uv_loop_t* loop, const ForkOptions& options);
// Returns the id of the thread that did not come to rest, or 0 if it was one of
// V8's workers.
int GiveUpFork();

}  // namespace truefork
