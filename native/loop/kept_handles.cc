#include "loop/kept_handles.h"

#include <map>

#include "loop/watchers.h"

namespace truefork {

namespace {

// The events that each of them looked for.
std::map<const uv_handle_t*, unsigned> paused;

}  // namespace

void PauseKept(uv_handle_t* handle) {
  uv__io_t* watcher = WatcherOf(handle);
  if (watcher == nullptr || watcher->pevents == 0) return;
  paused[handle] = watcher->pevents;
  Detach(handle->loop, watcher);
}

void ResumeKept(uv_handle_t* handle) {
  const auto found = paused.find(handle);
  if (found == paused.end()) return;
  uv__io_t* watcher = WatcherOf(handle);
  const bool is_watched = uv_is_closing(handle) != 0 || watcher->pevents != 0;
  if (!is_watched) Attach(handle->loop, watcher, found->second);
  paused.erase(found);
}

}  // namespace truefork
