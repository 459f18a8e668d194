#include "shared_semaphore.h"

namespace truefork {

namespace {

bool TakePermit(Word* count) {
  int32_t permits = count->load();
  while (permits > 0)
    if (count->compare_exchange_weak(permits, permits - 1)) return true;
  return false;
}

// By the one whose turn it is.
Outcome AwaitPermit(LockBlock* block, const Patience& patience) {
  constexpr int kOvertakenOften = 3;
  for (int sleeps = 0;; sleeps++) {
    if (patience.IsCancelled()) return Outcome::kCancelled;
    if (TakePermit(&block->count)) return Outcome::kDone;
    // Who adds a permit looks at this afterwards.
    block->is_waited_for.store(sleeps < kOvertakenOften ? 1 : 2);
    if (TakePermit(&block->count)) return Outcome::kDone;
    if (patience.until.IsOver()) return Outcome::kTimedOut;
    // The bell rings if somebody dies who has added a permit and not told.
    Watched watched[3] = {{&block->count, 0}, {&block->bell, 0}};
    patience.SleepOn(watched, 2);
  }
}

}  // namespace

Outcome AcquireSemaphore(LockBlock* block, const Patience& patience) {
  SharedLock turn(block);
  bool is_listed = false;
  const Outcome queued = turn.Acquire(patience, &is_listed);
  if (queued == Outcome::kTimedOut || queued == Outcome::kCancelled)
    return queued;
  const Outcome outcome = AwaitPermit(block, patience);
  // As its thread ends, the kernel passes the turn on.
  if (patience.IsAbandoned()) return outcome;
  block->is_waited_for.store(0);
  turn.Release(is_listed);
  return outcome;
}

}  // namespace truefork
