// A forked child inherits the parent's sockets, watchers and processes with its
// event loop. Where the child does not go on with the parent's work (Process),
// they are put to rest: they wake nobody up, keep the loop alive for nobody,
// and hold nothing open that is the parent's.
//
// It relies on the layout of libuv's handles: guarded by
// test/fork/child/handles and closed-handles.
#pragma once

#include <uv.h>

#include <set>
#include <vector>

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

// Calls `function` while all handles keep the loop alive: Node lists only those
// that do.
template <typename Function>
void WithAllReferenced(uv_loop_t* loop, Function function) {
  std::vector<uv_handle_t*> others;
  uv_walk(
      loop,
      [](uv_handle_t* handle, void* others) {
        if (uv_has_ref(handle) != 0) return;
        uv_ref(handle);
        static_cast<std::vector<uv_handle_t*>*>(others)->push_back(handle);
      },
      &others);
  function();
  for (uv_handle_t* handle : others) uv_unref(handle);
}

}  // namespace truefork
