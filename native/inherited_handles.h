// A forked child inherits the parent's sockets, watchers and processes with its
// event loop. Where the child does not go on with the parent's work (Process),
// they are put to rest: they wake nobody up, keep the loop alive for nobody,
// and hold nothing open that is the parent's.
#pragma once

#include <uv.h>

#include <set>

namespace truefork {

using Descriptors = std::set<int>;

// Right after ForkLoop(): rests all that waits for the kernel; handles on the
// descriptors in `keep` only for now. A resting socket has its number, but no
// longer the parent's connection. Standard input becomes /dev/null. 0 or
// -errno.
int RestHandles(uv_loop_t* loop, const Descriptors& keep);

// When no frame of the parent is on the stack any more: wakes up what is kept,
// rests whatever else would keep the loop alive, and forgets the parent's
// requests.
void RestLoop(uv_loop_t* loop, const Descriptors& keep);

}  // namespace truefork
