// libuv's watchers of descriptors, which are parts of handles. The type is in
// its public header, the operations are not.
//
// It relies on the layout of uv__io_t: guarded by test/fork/child/handles.
#pragma once

#include <uv.h>

namespace truefork {

// nullptr if the handle watches no descriptor.
uv__io_t* WatcherOf(uv_handle_t* handle);

// Makes the loop forget a watcher; events that the loop had already collected
// find nobody either.
void Detach(uv_loop_t* loop, uv__io_t* watcher);

// Makes the loop look for `events` again, after Detach().
void Attach(uv_loop_t* loop, uv__io_t* watcher, unsigned events);

}  // namespace truefork
