#include "sleeping_threads.h"

#if defined(__linux__)
#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#endif

namespace truefork {

#if defined(__linux__)

namespace {

using Text = char[256];

constexpr int kDecimal = 10;

// What /proc says of a thread of this process. False if it says nothing: there
// is no descriptor left to ask with, or no /proc.
bool ReadAbout(int id, const char* what, Text& text) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/%s", id, what);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  text[std::max<ssize_t>(size, 0)] = '\0';
  return size > 0;
}

// A process that has changed its user may not look at the system calls of its
// threads, and has to make do with less.
bool Sleeps(int id) {
  Text text;
  if (!ReadAbout(id, "stat", text)) return true;
  // "tid (name) state …", and the name may hold anything, parentheses included.
  const char* name_end = strrchr(text, ')');
  return name_end == nullptr || strncmp(name_end, ") S", 3) == 0;
}

bool AwaitsEvents(int id) {
  Text text;
  if (!ReadAbout(id, "syscall", text)) return Sleeps(id);
  // "number arguments …", or "running".
  char* end = nullptr;
  const long number = strtol(text, &end, kDecimal);
  if (end == text) return false;
#if defined(SYS_epoll_wait)
  if (number == SYS_epoll_wait) return true;
#endif
  return number == SYS_epoll_pwait;
}

long RunsOf(int id) {
  Text text;
  if (!ReadAbout(id, "schedstat", text)) return 0;
  // "time waited runs"
  char* end = nullptr;
  strtol(text, &end, kDecimal);
  strtol(end, &end, kDecimal);
  return strtol(end, &end, kDecimal);
}

// In the order in which they were started.
std::vector<int> OtherThreads() {
  std::vector<int> threads;
  DIR* tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return threads;
  for (const dirent* task = readdir(tasks); task != nullptr;
       task = readdir(tasks)) {
    // 0 for "." and "..".
    const auto id = static_cast<int>(strtol(task->d_name, nullptr, kDecimal));
    if (id > 0 && id != getpid()) threads.push_back(id);
  }
  closedir(tasks);
  return threads;
}

// Node starts its scheduler before any other thread. A forked child has none.
int Scheduler() {
  static const pid_t with_scheduler = getpid();
  if (with_scheduler != getpid()) return 0;
  static int scheduler = 0;
  if (scheduler == 0) {
    const std::vector<int> threads = OtherThreads();
    if (!threads.empty()) scheduler = threads.front();
  }
  return scheduler;
}

}  // namespace

SleepingThreads::SleepingThreads(int workers) {
  const int scheduler = Scheduler();
  if (scheduler != 0) are_all_ = Add(scheduler);
  if (workers == 0 || !are_all_) return;
  for (const int id : OtherThreads())
    if (id != scheduler && AwaitsEvents(id) && Add(id)) workers--;
  are_all_ = workers <= 0;
}

// Counts the runs first: one that runs in between is not asleep then.
bool SleepingThreads::Add(int id) {
  threads_.push_back({id, RunsOf(id)});
  return AwaitsEvents(id);
}

bool SleepingThreads::SleptOn() const {
  return std::all_of(
      threads_.begin(), threads_.end(),
      [](const Thread& thread) { return RunsOf(thread.id) == thread.runs; });
}

#else

// Elsewhere a process cannot see what its threads do.
SleepingThreads::SleepingThreads(int) {}
bool SleepingThreads::SleptOn() const { return true; }

#endif

}  // namespace truefork
