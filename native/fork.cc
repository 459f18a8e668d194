#include "fork.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "collector_lock.h"
#include "heap_pages.h"
#include "leave.h"
#include "other_threads.h"
#include "signals.h"
#include "thread_pool.h"
#include "v8_workers.h"
#include "vanished_stacks.h"

namespace truefork {

namespace {

[[noreturn]] void ReportAndLeave(int fd, int error, const char* syscall) {
  constexpr int kCannotStart = 127;
  char report[64];
  const int size = snprintf(report, sizeof report, "%d %s", -error, syscall);
  if (write(fd, report, size) != size) _exit(kCannotStart + 1);
  _exit(kCannotStart);
}

void GetReady(Napi::Env env, uv_loop_t* loop, const ForkOptions& options) {
  int error = ForkLoop(loop, options.loop_in_child);
  if (error != 0) ReportAndLeave(options.report_fd, error, "uv_loop_fork");
  error = ReviveWorkers();
  if (error != 0) ReportAndLeave(options.report_fd, error, "pthread_create");
  LeaveThrough_exit(env);
}

pid_t ForkWithThreadPoolPaused(uv_loop_t* loop) {
  const PausedThreadPool paused(loop);
  const pid_t pid = fork();
  return pid >= 0 ? pid : -errno;
}

}  // namespace

pid_t Fork(Napi::Env env, uv_loop_t* loop, const ForkOptions& options) {
  constexpr int kSliceMs = 1;
  if (!LocateThreadIds()) return -ENOTSUP;
  const CollectorLock collector_lock;
  int error = ParkWorkers(kSliceMs);
  if (error != 0) return error;
  if (options.quiet_ms > 0) WaitForQuiet(options.quiet_ms);
  // Threads map pages of the heap until they sleep: not before they do.
  error = MakeHeapInheritable();
  if (error != 0) {
    UnparkWorkers();
    return error;
  }
  const BlockedSignals blocked;
  const pid_t pid = ForkWithThreadPoolPaused(loop);
  if (pid == 0) {
    GetReady(env, loop, options);
    return 0;
  }
  UnparkWorkers();
  return pid;
}

void GiveUpFork() { UnparkWorkers(); }

}  // namespace truefork
