// Threads that cannot be parked: the one with which Node schedules V8's delayed
// tasks, and worker_threads Workers. A fork may catch them holding a lock, or
// with a new page of V8's heap in their hands, and the child would hang or
// crash. Asleep in their event loops they do neither: so a fork counts only if
// they slept before it, and had not run when it was done.
#pragma once

#include <vector>

namespace truefork {

class SleepingThreads {
 public:
  // Looks for Node's scheduler and so many Workers. Ask AreAll() whether all of
  // them sleep.
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

}  // namespace truefork
