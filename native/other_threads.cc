#include "other_threads.h"

#if defined(__linux__)
#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#endif

namespace truefork {

#if defined(__linux__)

namespace {

bool IsRunning(const char* tid) {
  char path[64];
  char stat[512];
  snprintf(path, sizeof path, "/proc/self/task/%s/stat", tid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t size = read(fd, stat, sizeof stat - 1);
  close(fd);
  if (size <= 0) return false;
  stat[size] = '\0';
  // "tid (name) state …", and the name may hold anything, parentheses included.
  const char* name_end = strrchr(stat, ')');
  return name_end != nullptr && name_end[1] == ' ' && name_end[2] == 'R';
}

bool AnotherThreadRuns() {
  DIR* tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return false;
  const long self = syscall(SYS_gettid);
  bool found = false;
  while (!found) {
    const dirent* task = readdir(tasks);
    if (task == nullptr) break;
    if (task->d_name[0] == '.' || strtol(task->d_name, nullptr, 10) == self)
      continue;
    found = IsRunning(task->d_name);
  }
  closedir(tasks);
  return found;
}

}  // namespace

void WaitForQuiet(int limit_ms) {
  constexpr timespec kMoment{0, 200'000};
  constexpr int kMomentsPerMs = 5;
  for (int i = 0; i < limit_ms * kMomentsPerMs && AnotherThreadRuns(); i++)
    nanosleep(&kMoment, nullptr);
}

#else

// Elsewhere a process cannot see what its threads do.
void WaitForQuiet(int) {}

#endif

}  // namespace truefork
