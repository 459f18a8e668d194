#include "loop/loop_fork.h"

#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "loop/file_watchers.h"
#include "loop/lost_requests.h"

namespace truefork {

namespace {

// The fork may have been called from a callback of the loop. The frame of libuv
// that waits to go on then still holds the number of the parent's epoll
// descriptor, so the child's has to get the same. It does if that is the lowest
// free number when libuv closes the one and opens the other: while an object of
// this class lives, no lower number is free.
class SameBackendNumber {
 public:
  explicit SameBackendNumber(uv_loop_t* loop)
      : loop_(loop), number_(loop->backend_fd) {
#if defined(__linux__)
    for (;;) {
      const int fd = fcntl(number_, F_DUPFD_CLOEXEC, 0);
      if (fd < 0) break;
      plugs_.push_back(fd);
      if (fd > number_) break;
    }
#endif
  }

  ~SameBackendNumber() {
    for (const int fd : plugs_) close(fd);
#if defined(__linux__)
    // libuv closed other descriptors too, and may have got one of theirs.
    const bool is_free = fcntl(number_, F_GETFD) == -1;
    if (loop_->backend_fd == number_ || loop_->backend_fd < 0 || !is_free)
      return;
    if (fcntl(loop_->backend_fd, F_DUPFD_CLOEXEC, number_) != number_) return;
    close(loop_->backend_fd);
    loop_->backend_fd = number_;
#endif
  }

  SameBackendNumber(const SameBackendNumber&) = delete;
  SameBackendNumber& operator=(const SameBackendNumber&) = delete;

 private:
  uv_loop_t* loop_;
  int number_;
  std::vector<int> plugs_;
};

using Handles = std::vector<uv_handle_t*>;

Handles HandlesOf(uv_loop_t* loop) {
  Handles handles;
  uv_walk(
      loop,
      [](uv_handle_t* handle, void* all) {
        static_cast<Handles*>(all)->push_back(handle);
      },
      &handles);
  return handles;
}

bool IsSignalled(uv_handle_t* handle) {
  return handle->type == UV_ASYNC &&
         reinterpret_cast<uv_async_t*>(handle)->pending != 0;
}

// A signal that was caught and not yet dispatched is the parent's to dispatch.
// libuv before 1.47 would wait for it, and the handle could never be closed.
void ForgetCaughtSignals(uv_handle_t* handle) {
  if (handle->type != UV_SIGNAL) return;
  auto* signal = reinterpret_cast<uv_signal_t*>(handle);
  signal->caught_signals = 0;
  signal->dispatched_signals = 0;
}

int ForkLoopAndDescriptors(uv_loop_t* loop) {
  FileWatchers files(loop);
  const SameBackendNumber same(loop);
  const int error = uv_loop_fork(loop);
  return error != 0 ? error : files.Restore();
}

}  // namespace

int ForkLoop(uv_loop_t* loop, LoopInChild in_child) {
  const Handles handles = HandlesOf(loop);
  Handles signalled;
  for (uv_handle_t* handle : handles) {
    ForgetCaughtSignals(handle);
    if (IsSignalled(handle)) signalled.push_back(handle);
  }
  const int error = ForkLoopAndDescriptors(loop);
  if (error != 0) return error;
  DropFinishedJobs(loop);
  if (in_child == LoopInChild::kStartsAfresh) {
    // uv_loop_fork() does not see those that libuv is about to call back.
    for (uv_handle_t* handle : signalled)
      reinterpret_cast<uv_async_t*>(handle)->pending = 0;
    DropFinishedWrites(loop);
    return 0;
  }
  // uv_loop_fork() forgets which handles had been signalled.
  for (uv_handle_t* handle : signalled)
    uv_async_send(reinterpret_cast<uv_async_t*>(handle));
  ForgetLostRequests(loop);
  return 0;
}

}  // namespace truefork
