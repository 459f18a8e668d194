#include "fork/fork.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <utility>

#include "fork/collector_lock.h"
#include "fork/fork_gate.h"
#include "fork/heap_pages.h"
#include "fork/leave.h"
#include "fork/signals.h"
#include "fork/sleeping_threads.h"
#include "fork/v8_workers.h"
#include "fork/vanished_stacks.h"
#include "loop/thread_pool.h"
#include "node/foreground_tasks.h"
#include "node/node_internals.h"

namespace truefork {

namespace {

// Whether V8's workers came to rest since the last fork: then it is not they
// that hold up this one.
bool have_parked = false;

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
  if (options.loop_in_child == LoopInChild::kStartsAfresh)
    error = DisownForegroundTasks(loop);
  if (error != 0) ReportAndLeave(options.report_fd, error, "v8::TaskRunner");
  error = ReviveWorkers();
  if (error != 0) ReportAndLeave(options.report_fd, error, "pthread_create");
  LeaveThrough_exit(env);
}

pid_t ForkWithThreadPoolPaused(uv_loop_t* loop) {
  const PausedThreadPool paused(loop);
  if (loop->active_reqs.count > 0) AwaitSleep();
  const pid_t pid = fork();
  return pid >= 0 ? pid : -errno;
}

// A thread that does not sleep may be waiting for a worker that is parked, or
// for a processor.
int TryAgainLater() {
  UnparkWorkers();
  constexpr timespec kNap{0, 200'000};
  nanosleep(&kNap, nullptr);
  return -EINPROGRESS;
}

void Discard(pid_t child) {
  kill(child, SIGKILL);
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

pid_t Fork(Napi::Env env, uv_loop_t* loop, const ForkOptions& options) {
  constexpr int kSliceMs = 1;
  if (!LocateThreadIds()) return -ENOTSUP;
  // A Worker may be doing it, and the child would wait for its end.
  if (options.js_workers > 0) NodeInternals::Get().MeasureClock();
  if (!MayAllSleep(options.js_workers)) return TryAgainLater();
  const CollectorLock collector_lock;
  int error = ParkWorkers(kSliceMs);
  if (error != 0) return error;
  have_parked = true;
  // Threads map pages of the heap until they sleep: not before they do.
  const SleepingThreads others(options.js_workers);
  error = others.AreAll() ? MakeHeapInheritable() : TryAgainLater();
  if (error == 0) error = CloseForkGate();
  if (error != 0) {
    UnparkWorkers();
    return error;
  }
  const BlockedSignals blocked;
  const pid_t pid = ForkWithThreadPoolPaused(loop);
  if (pid == 0) {
    PassForkGate();
    GetReady(env, loop, options);
    return 0;
  }
  const bool is_good = pid < 0 || others.SleptOn();
  if (is_good) {
    OpenForkGate();
  } else {
    Discard(pid);
  }
  UnparkWorkers();
  if (is_good) have_parked = false;
  return is_good ? pid : -EINPROGRESS;
}

int GiveUpFork() {
  UnparkWorkers();
  return std::exchange(have_parked, false) ? RestlessThread() : 0;
}

}  // namespace truefork
