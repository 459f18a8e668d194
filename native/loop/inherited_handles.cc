#include "loop/inherited_handles.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/intrusive_queue.h"
#include "loop/kept_handles.h"
#include "loop/watchers.h"
#include "node/node_internals.h"

namespace truefork {

namespace {

// The read end of a pipe that nobody ever writes to. In the place of an
// inherited socket it takes the number, so that closing the resting handle
// closes nothing else, and lets go of the connection.
int InertDescriptor() {
  static int ends[2] = {-1, -1};
  if (ends[0] != -1) return ends[0];
  if (pipe(ends) != 0) return -errno;
  for (const int end : ends) {
    fcntl(end, F_SETFD, FD_CLOEXEC);
    fcntl(end, F_SETFL, O_NONBLOCK);
  }
  return ends[0];
}

// Like /dev/null it has nothing to read; where there is none it stands for it.
int EmptyPipe() {
  int ends[2];
  if (pipe(ends) != 0) return -errno;
  close(ends[1]);
  return ends[0];
}

int OpenNull() {
  const int null = open("/dev/null", O_RDONLY);
  if (null >= 0) return null;
  const bool has_descriptors = errno != EMFILE && errno != ENFILE;
  return has_descriptors ? EmptyPipe() : -errno;
}

int MakeStdinNull() {
  const int null = OpenNull();
  if (null < 0) return null;
  if (null == STDIN_FILENO) return 0;
  const int error = dup2(null, STDIN_FILENO) < 0 ? -errno : 0;
  close(null);
  return error;
}

bool IsStream(const uv_handle_t* handle) {
  return handle->type == UV_TCP || handle->type == UV_NAMED_PIPE ||
         handle->type == UV_TTY;
}

// Writes that the parent has begun are done by the parent.
void ForgetWrites(uv_stream_t* stream) {
  MakeEmpty(&stream->write_queue);
  MakeEmpty(&stream->write_completed_queue);
  stream->write_queue_size = 0;
}

void ForgetDatagrams(uv_udp_t* socket) {
  MakeEmpty(&socket->write_queue);
  MakeEmpty(&socket->write_completed_queue);
  socket->send_queue_size = 0;
  socket->send_queue_count = 0;
}

// libuv will call back what a handle that is being closed has not done, and
// count it among the requests, which are the parent's.
void ForgetRequestsOfClosing(uv_handle_t* handle) {
  if (handle->type == UV_UDP)
    ForgetDatagrams(reinterpret_cast<uv_udp_t*>(handle));
  if (!IsStream(handle)) return;
  auto* stream = reinterpret_cast<uv_stream_t*>(handle);
  ForgetWrites(stream);
  stream->connect_req = nullptr;
}

// Closing the handle would unlink the path that the parent listens on.
void DisownPath(uv_handle_t* handle) {
  if (handle->type == UV_NAMED_PIPE)
    reinterpret_cast<uv_pipe_t*>(handle)->pipe_fname = nullptr;
}

class Resting {
 public:
  Resting(int inert, const Descriptors& keep) : inert_(inert), keep_(keep) {}

  [[nodiscard]] bool Keeps(const uv_handle_t* handle) const {
    uv_os_fd_t fd = -1;
    return uv_fileno(handle, &fd) == 0 && keep_.count(fd) != 0;
  }

  void Rest(uv_handle_t* handle) {
    switch (handle->type) {
      case UV_TCP:
      case UV_NAMED_PIPE:
      case UV_TTY:
        RestStream(reinterpret_cast<uv_stream_t*>(handle));
        break;
      case UV_UDP:
        RestDatagrams(reinterpret_cast<uv_udp_t*>(handle));
        break;
      case UV_POLL:
        uv_poll_stop(reinterpret_cast<uv_poll_t*>(handle));
        break;
      case UV_FS_EVENT:
        uv_fs_event_stop(reinterpret_cast<uv_fs_event_t*>(handle));
        break;
      case UV_FS_POLL:
        uv_fs_poll_stop(reinterpret_cast<uv_fs_poll_t*>(handle));
        break;
      case UV_PROCESS:
        // Not ours to wait for.
        Unlink(&reinterpret_cast<uv_process_t*>(handle)->queue);
        break;
      case UV_TIMER:
        Postpone(reinterpret_cast<uv_timer_t*>(handle));
        return;
      case UV_SIGNAL:  // closed with its listener; Node counts on being the one
      case UV_ASYNC:
        break;
      default:
        return;
    }
    uv_unref(handle);
  }

  [[nodiscard]] int error() const { return error_; }

 private:
  void RestStream(uv_stream_t* stream) {
    uv_read_stop(stream);
    Detach(stream->loop, &stream->io_watcher);
    ForgetWrites(stream);
    stream->connect_req = nullptr;
    // A terminal has been opened anew by libuv, and the child writes to it.
    if (stream->type != UV_TTY) Replace(&stream->io_watcher);
  }

  void RestDatagrams(uv_udp_t* socket) {
    uv_udp_recv_stop(socket);
    Detach(socket->loop, &socket->io_watcher);
    ForgetDatagrams(socket);
    Replace(&socket->io_watcher);
  }

  // libuv may have put Node's timer among those that it will call next,
  // whatever is due. Node calls JavaScript from there until that returns, which
  // it will not do before the parent's stack is gone.
  static void Postpone(uv_timer_t* timer) {
    const uv_timer_cb run_timers = NodeInternals::Get().RunTimers();
    const bool is_due =
        uv_is_active(reinterpret_cast<uv_handle_t*>(timer)) == 0;
    if (is_due && timer->timer_cb == run_timers)
      uv_timer_start(timer, run_timers, 1, 0);
  }

  void Replace(uv__io_t* watcher) {
    if (watcher->fd < 0) return;
    if (watcher->fd == STDIN_FILENO) {
      // Descriptor 0 will be /dev/null, which cannot be polled: libuv would
      // abort if somebody went on to read from the parent's process.stdin.
      const int fd = fcntl(inert_, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
      if (fd < 0) error_ = -errno;
      watcher->fd = fd;
    } else if (watcher->fd > STDERR_FILENO) {
      if (dup2(inert_, watcher->fd) < 0) error_ = -errno;
      fcntl(watcher->fd, F_SETFD, FD_CLOEXEC);
    }
  }

  int inert_;
  const Descriptors& keep_;
  int error_ = 0;
};

void Stop(uv_handle_t* handle) {
  switch (handle->type) {
    // Not unref'd: Node starts its own again for the child's first immediate.
    case UV_IDLE:
      uv_idle_stop(reinterpret_cast<uv_idle_t*>(handle));
      return;
    case UV_PREPARE:
      uv_prepare_stop(reinterpret_cast<uv_prepare_t*>(handle));
      return;
    case UV_CHECK:
      uv_check_stop(reinterpret_cast<uv_check_t*>(handle));
      return;
    case UV_TIMER:
      uv_timer_stop(reinterpret_cast<uv_timer_t*>(handle));
      break;
    default:
      break;
  }
  uv_unref(handle);
}

}  // namespace

int RestHandles(uv_loop_t* loop, const Descriptors& keep) {
  const int inert = InertDescriptor();
  if (inert < 0) return inert;
  Resting resting(inert, keep);
  uv_walk(
      loop,
      [](uv_handle_t* handle, void* argument) {
        auto* resting = static_cast<Resting*>(argument);
        DisownPath(handle);
        if (uv_is_closing(handle) != 0) {
          ForgetRequestsOfClosing(handle);
          return;
        }
        if (!resting->Keeps(handle)) {
          resting->Rest(handle);
          return;
        }
        if (IsStream(handle))
          ForgetWrites(reinterpret_cast<uv_stream_t*>(handle));
        PauseKept(handle);
      },
      &resting);
  if (resting.error() != 0 || keep.count(STDIN_FILENO) != 0)
    return resting.error();
  return MakeStdinNull();
}

void RestLoop(uv_loop_t* loop, const Descriptors& keep) {
  struct Requests {
    Resting resting;
    unsigned count;
  } kept{Resting(-1, keep), 0};
  uv_walk(
      loop,
      [](uv_handle_t* handle, void* argument) {
        auto* kept = static_cast<Requests*>(argument);
        const bool keeps = kept->resting.Keeps(handle);
        if (keeps) ResumeKept(handle);
        if (!keeps && uv_is_active(handle) != 0 && uv_has_ref(handle) != 0)
          Stop(handle);
        if (!IsStream(handle)) return;
        auto* stream = reinterpret_cast<uv_stream_t*>(handle);
        if (!keeps) stream->shutdown_req = nullptr;
        kept->count += (stream->connect_req != nullptr ? 1 : 0) +
                       (stream->shutdown_req != nullptr ? 1 : 0);
      },
      &kept);
  loop->active_reqs.count = kept.count;
}

}  // namespace truefork
