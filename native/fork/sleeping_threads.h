// Threads that cannot be parked: the one with which Node schedules V8's delayed
// tasks, and worker_threads Workers. A fork may catch them holding a lock, or
// with a new page of V8's heap in their hands, and the child would hang or
// crash. Asleep in their event loops they do neither: so a fork counts only if
// they slept before it, and had not run when it was done.
//
// It relies on what /proc says of threads: guarded by test/stress/stress and
// test/failures/surroundings.
#pragma once

#include <vector>

namespace truefork {

// Whether it is worth while to park V8's workers, which Workers need to come to
// rest: no if fewer threads than those Workers sleep.
bool MayAllSleep(int workers);

// Waits 3 ms at most for a moment at which every other thread sleeps. A thread
// of libuv's pool holds a lock of the resolver, or of another library, for
// microseconds of its job: while it sleeps it hardly ever does.
void AwaitSleep();

class SleepingThreads {
 public:
  // Looks for Node's scheduler and so many Workers, while V8's workers are
  // parked. Ask AreAll() whether all of them sleep.
  explicit SleepingThreads(int workers);

  [[nodiscard]] bool AreAll() const { return are_all_; }
  // Whether none of them has run since.
  [[nodiscard]] bool SleptOn() const;

 private:
  struct Thread {
    int id;
    long
        runs;  // NOLINT(google-runtime-int): how often it was given a processor
  };

  bool Add(int id);

  std::vector<Thread> threads_;
  bool are_all_ = true;
};

// The id of the thread because of which they were not all asleep the last time;
// 0 if that was not the reason.
int RestlessThread();

}  // namespace truefork
