#include "loop/file_watchers.h"

#include <string>
#include <vector>

namespace truefork {

#if defined(__linux__)

namespace {

using Watchers = std::vector<uv_fs_event_t*>;

Watchers ActiveWatchers(uv_loop_t* loop) {
  Watchers active;
  uv_walk(
      loop,
      [](uv_handle_t* handle, void* active) {
        if (handle->type != UV_FS_EVENT || uv_is_active(handle) == 0) return;
        static_cast<Watchers*>(active)->push_back(
            reinterpret_cast<uv_fs_event_t*>(handle));
      },
      &active);
  return active;
}

int Restart(uv_fs_event_t* watcher) {
  const std::string path = watcher->path;
  uv_fs_event_stop(watcher);
  return uv_fs_event_start(watcher, watcher->cb, path.c_str(), 0);
}

// libuv opens its descriptor with the first watcher.
int OpenInotify(uv_loop_t* loop) {
  static uv_fs_event_t watcher;
  uv_fs_event_init(loop, &watcher);
  const int error = uv_fs_event_start(
      &watcher, [](uv_fs_event_t*, const char*, int, int) {}, "/", 0);
  uv_close(reinterpret_cast<uv_handle_t*>(&watcher), nullptr);
  return error;
}

}  // namespace

FileWatchers::FileWatchers(uv_loop_t* loop)
    : loop_(loop),
      hidden_(loop->inotify_watchers),
      were_used_(loop->inotify_fd != -1) {
  loop->inotify_watchers = nullptr;
}

int FileWatchers::Restore() {
  loop_->inotify_watchers = hidden_;
  for (uv_fs_event_t* watcher : ActiveWatchers(loop_)) {
    const int error = Restart(watcher);
    // A file that has been deleted cannot be watched, and need not be.
    if (error != 0 && error != UV_ENOENT) return error;
  }
  // That frame reads on until there is nothing more, and takes it for a bug of
  // its own if it cannot read.
  if (were_used_ && loop_->inotify_fd == -1) return OpenInotify(loop_);
  return 0;
}

#else

FileWatchers::FileWatchers(uv_loop_t* loop) : loop_(loop) {}
int FileWatchers::Restore() { return 0; }

#endif

}  // namespace truefork
