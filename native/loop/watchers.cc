#include "loop/watchers.h"

#include "base/intrusive_queue.h"

namespace truefork {

uv__io_t* WatcherOf(uv_handle_t* handle) {
  switch (handle->type) {
    case UV_TCP:
    case UV_NAMED_PIPE:
    case UV_TTY:
      return &reinterpret_cast<uv_stream_t*>(handle)->io_watcher;
    case UV_UDP:
      return &reinterpret_cast<uv_udp_t*>(handle)->io_watcher;
    case UV_POLL:
      return &reinterpret_cast<uv_poll_t*>(handle)->io_watcher;
    default:
      return nullptr;
  }
}

void Detach(uv_loop_t* loop, uv__io_t* watcher) {
  Unlink(&watcher->pending_queue);
  Unlink(&watcher->watcher_queue);
  watcher->pevents = 0;
  watcher->events = 0;
  const auto fd = static_cast<unsigned>(watcher->fd);
  if (watcher->fd < 0 || fd >= loop->nwatchers) return;
  if (loop->watchers[fd] != watcher) return;
  loop->watchers[fd] = nullptr;
  loop->nfds--;
}

void Attach(uv_loop_t* loop, uv__io_t* watcher, unsigned events) {
  watcher->pevents = events;
  Append(&loop->watcher_queue, &watcher->watcher_queue);
  loop->watchers[watcher->fd] = watcher;
  loop->nfds++;
}

}  // namespace truefork
