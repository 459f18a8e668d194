#include "fork/sleeping_threads.h"

#if defined(__linux__)
#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iterator>

#include "fork/v8_workers.h"
#endif

namespace truefork {

#if defined(__linux__)

namespace {

using Text = char[256];

constexpr int kDecimal = 10;

// Reads what /proc says of a thread of this process. False if it says nothing:
// there is no descriptor left to ask with, or no /proc.
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

constexpr long kUnknown = -1;
constexpr long kNone = -2;

// The system call that a thread is in.
long SystemCallOf(int id) {
  Text text;
  if (!ReadAbout(id, "syscall", text)) return kUnknown;
  // "number arguments …", or "running".
  char* end = nullptr;
  const long number = strtol(text, &end, kDecimal);
  return end == text ? kNone : number;
}

// An emulator has the calls of another processor, and shows those of its host.
bool NumbersAreOurs() {
  static const bool are_ours =
      SystemCallOf(static_cast<int>(syscall(SYS_gettid))) == SYS_read;
  return are_ours;
}

bool AwaitsEvents(int id) {
  const long number = SystemCallOf(id);
  if (number == kUnknown || !NumbersAreOurs()) return Sleeps(id);
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

// Node starts its scheduler, and then V8's workers: of the threads before the
// first of these it is the last that waits for events. (A library that was
// loaded before Node, an allocator or a profiler, may have started others.)
int LastToAwaitEventsBefore(const std::vector<pid_t>& workers) {
  const std::vector<int> threads = OtherThreads();
  const auto first = std::find_first_of(threads.begin(), threads.end(),
                                        workers.begin(), workers.end());
  for (auto thread = first; thread != threads.begin();)
    if (AwaitsEvents(*--thread)) return *thread;
  return first == threads.begin() ? 0 : *std::prev(first);
}

// A forked child has none.
int Scheduler() {
  static const pid_t with_scheduler = getpid();
  if (with_scheduler != getpid()) return 0;
  static int scheduler = 0;
  if (scheduler != 0) return scheduler;
  const int found = LastToAwaitEventsBefore(ParkedWorkers());
  // Not for good: it may be awake, and be found the next time.
  if (AwaitsEvents(found)) scheduler = found;
  return found;
}

int restless = 0;

}  // namespace

bool MayAllSleep(int workers) {
  if (workers == 0) return true;
  const std::vector<int> threads = OtherThreads();
  return std::count_if(threads.begin(), threads.end(), AwaitsEvents) >= workers;
}

void AwaitSleep() {
  constexpr int kTries = 30;
  constexpr timespec kNap{0, 100'000};
  const std::vector<int> threads = OtherThreads();
  for (int tries = 0; tries < kTries; tries++) {
    if (std::all_of(threads.begin(), threads.end(), Sleeps)) return;
    nanosleep(&kNap, nullptr);
  }
}

SleepingThreads::SleepingThreads(int workers) {
  restless = 0;
  const int scheduler = Scheduler();
  if (scheduler != 0) are_all_ = Add(scheduler);
  if (workers == 0 || !are_all_) return;
  for (const int id : OtherThreads())
    if (id != scheduler && AwaitsEvents(id) && Add(id)) workers--;
  are_all_ = workers <= 0;
}

int RestlessThread() { return restless; }

// Counts the runs first: one that runs in between is not asleep then.
bool SleepingThreads::Add(int id) {
  threads_.push_back({id, RunsOf(id)});
  const bool sleeps = AwaitsEvents(id);
  if (!sleeps) restless = id;
  return sleeps;
}

bool SleepingThreads::SleptOn() const {
  return std::all_of(threads_.begin(), threads_.end(),
                     [](const Thread& thread) {
                       restless = thread.id;
                       return RunsOf(thread.id) == thread.runs;
                     });
}

#else

// Elsewhere a process cannot see what its threads do.
bool MayAllSleep(int) { return true; }
void AwaitSleep() {}
SleepingThreads::SleepingThreads(int) {}
bool SleepingThreads::SleptOn() const { return true; }
int RestlessThread() { return 0; }

#endif

}  // namespace truefork
