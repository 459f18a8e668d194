// Gives the event loop of a forked child kernel objects of its own.
//
// It relies on what uv_loop_fork() makes anew: guarded by
// test/contexts/contexts and test/fork/fork.
#pragma once

#include <uv.h>

namespace truefork {

enum class LoopInChild {
  kGoesOn,       // posix.fork(): what the parent's loop had to do is done twice
  kStartsAfresh  // Process: what the parent's loop had to do is the parent's
};

// Call it in the child before anything else touches the loop. 0 or -errno.
int ForkLoop(uv_loop_t* loop, LoopInChild in_child);

}  // namespace truefork
