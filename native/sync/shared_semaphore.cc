#include "sync/shared_semaphore.h"

#include "sync/spinner.h"

namespace truefork {

namespace {

// The two bits of the bell. A process that adds a permit takes the first away
// and wakes the one that waits. If it dies before that, the kernel does so: to
// the kernel the bell is a lock's word without an owner, whatever the two bits
// are.
constexpr int32_t kAwaited = INT32_MIN;
constexpr int32_t kUnfair = 1 << 30;

bool TakePermit(Word* count) {
  int32_t permits = count->load();
  while (permits > 0)
    if (count->compare_exchange_weak(permits, permits - 1)) return true;
  return false;
}

// By the one whose turn it is.
Outcome AwaitPermit(LockBlock* block, const WaitLimit& limit) {
  constexpr int kOvertakenOften = 10;
  Spinner spinner;
  do {
    if (TakePermit(&block->count)) return Outcome::kDone;
  } while (spinner.Spin());
  for (int sleeps = 0;; sleeps++) {
    if (limit.IsCancelled()) return Outcome::kCancelled;
    if (TakePermit(&block->count)) return Outcome::kDone;
    if (limit.until.IsOver()) return Outcome::kTimedOut;
    const int32_t awaited =
        sleeps < kOvertakenOften ? kAwaited : kAwaited | kUnfair;
    block->bell.store(awaited);
    // A process that has added one before could not see that.
    if (TakePermit(&block->count)) return Outcome::kDone;
    // A process that adds one now may die before the bell has rung, and before
    // this thread sleeps on it.
    Watched watched[3] = {{&block->bell, awaited}, {&block->count, 0}};
    limit.SleepOn(watched, 2);
  }
}

}  // namespace

Outcome AcquireSemaphore(LockBlock* block, const WaitLimit& limit) {
  SharedLock turn(block);
  bool is_listed = false;
  const Outcome queued = turn.Acquire(limit, &is_listed);
  if (queued == Outcome::kTimedOut || queued == Outcome::kCancelled)
    return queued;
  const Outcome outcome = AwaitPermit(block, limit);
  // As its thread ends, the kernel passes the turn on.
  if (limit.IsAbandoned()) return outcome;
  block->bell.store(0);
  turn.Release(is_listed);
  return outcome;
}

}  // namespace truefork
