#include "sync/shared_lock.h"

#include <pthread.h>
#include <unistd.h>

#include "sync/spinner.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#else
#define FUTEX_WAITERS 0x80000000
#define FUTEX_OWNER_DIED 0x40000000
#define FUTEX_TID_MASK 0x3fffffff
#endif

namespace truefork {

namespace {

constexpr auto kSleepers = static_cast<int32_t>(FUTEX_WAITERS);
constexpr int32_t kOwnerDied = FUTEX_OWNER_DIED;
constexpr int32_t kOwner = FUTEX_TID_MASK;

int32_t OwnerOf(int32_t value) { return value & kOwner; }

}  // namespace

int32_t LockerId() {
  static thread_local int32_t id = 0;
  [[maybe_unused]] static const int is_forgotten_in_children =
      pthread_atfork(nullptr, nullptr, [] { id = 0; });
#if defined(__linux__)
  if (id == 0) id = static_cast<int32_t>(syscall(SYS_gettid));
#else
  if (id == 0) id = getpid();
#endif
  return id;
}

bool WaitLimit::Commit() const {
  if (cancelled == nullptr) return until.IsNever();
  int32_t waiting = kWaiting;
  return cancelled->compare_exchange_strong(waiting, kCommitted);
}

bool WaitLimit::SleepOn(Watched* watched, size_t count) const {
  if (cancelled != nullptr) {
    const int32_t state = cancelled->load();
    // One that changes in this moment ends the sleep before it begins.
    watched[count++] = {cancelled, state == kCommitted ? state : kWaiting};
  }
  return Sleep(watched, count, until);
}

SharedLock::SharedLock(LockBlock* block)
    : block_(block),
      word_(reinterpret_cast<Word*>(reinterpret_cast<char*>(&block->link.next) +
                                    RobustWordOffset())) {}

bool SharedLock::is_held() const { return OwnerOf(word_->load()) != 0; }

int32_t SharedLock::holder() const { return OwnerOf(word_->load()); }

bool SharedLock::List(RobustChange* change) {
  if (block_->is_signal.load() != 0) return false;
  (*change)->Add(&block_->link);
  return true;
}

Outcome SharedLock::Acquire(const WaitLimit& limit, bool* is_listed) {
  RobustChange change(&block_->link);
  const Outcome outcome = AcquireWord(limit);
  const bool is_ours =
      outcome == Outcome::kDone || outcome == Outcome::kOwnerDied;
  *is_listed = is_ours && List(&change);
  return outcome;
}

Outcome SharedLock::AcquireForAnother(const WaitLimit& limit) {
  // Not as a RobustChange, which would end here: should this process die before
  // the other thread has it, the kernel finds that this one does.
  RobustList::OfThisThread().Begin(&block_->link);
  return AcquireWord(limit);
}

void SharedLock::Adopt(int32_t holder, bool* is_listed) {
  RobustChange change(&block_->link);
  const int32_t self = LockerId();
  int32_t value = word_->load();
  while (OwnerOf(value) == holder &&
         !word_->compare_exchange_weak(value, (value & kSleepers) | self)) {
  }
  *is_listed = OwnerOf(value) == holder && List(&change);
}

void SharedLock::Release(bool is_listed, bool is_left) {
  RobustChange change(&block_->link);
  if (is_listed) change->Remove(&block_->link);
  FreeIfHeldBy(LockerId(), is_left ? kOwnerDied : 0);
}

void SharedLock::Unlist() {
  RobustChange change(&block_->link);
  change->Remove(&block_->link);
}

bool SharedLock::ReleaseOfAnother() {
  RobustChange change(&block_->link);
  const int32_t owner = OwnerOf(word_->load());
  if (owner != 0) block_->is_signal.store(1);
  return owner != 0 && FreeIfHeldBy(owner);
}

// Another may have given it back meanwhile, and somebody may have it again.
bool SharedLock::FreeIfHeldBy(int32_t owner, int32_t mark) {
  int32_t value = word_->load();
  do {
    if (OwnerOf(value) != owner) return false;
  } while (!word_->compare_exchange_weak(value, (value & kSleepers) | mark));
  if ((value & kSleepers) != 0) WakeNext();
  return true;
}

bool SharedLock::SleepBesideHolder(Watched* watched, size_t count,
                                   const WaitLimit& limit) {
  RobustChange change(&block_->link);
  int32_t seen = word_->load();
  const bool is_held = OwnerOf(seen) != 0;
  if (is_held && AnnounceSleep(&seen)) {
    watched[count] = {word_, seen};
    limit.SleepOn(watched, count + 1);
    Forward();
  }
  return is_held;
}

// Of those who sleep on a lock that has become free.
void SharedLock::WakeNext() {
  if (Wake(word_, 1) > 0) return;
  // They have gone. One that is about to sleep finds that the word has changed.
  block_->is_unfair.store(0);
  int32_t nobody = kSleepers;
  word_->compare_exchange_strong(nobody, 0);
}

// A wait that ends early may have been woken for a lock that is free.
void SharedLock::Forward() {
  const int32_t value = word_->load();
  if (OwnerOf(value) == 0 && (value & kSleepers) != 0) Wake(word_, 1);
}

bool SharedLock::TryTake(int32_t seen, bool has_slept) {
  const bool is_others_turn =
      seen == kSleepers && !has_slept && block_->is_unfair.load() != 0;
  if (is_others_turn) return false;
  return word_->compare_exchange_strong(seen, (seen & kSleepers) | LockerId());
}

// False if the lock has changed meanwhile.
bool SharedLock::AnnounceSleep(int32_t* seen) {
  if ((*seen & kSleepers) != 0) return true;
  const int32_t announced = *seen | kSleepers;
  if (!word_->compare_exchange_strong(*seen, announced)) return false;
  *seen = announced;
  return true;
}

Outcome SharedLock::AcquireWord(const WaitLimit& limit) {
  constexpr int kOvertakenOften = 10;
  // Enough for one who was woken to run.
  constexpr double kTurnMs = 5;
  Spinner spinner;
  int sleeps = 0;
  for (;;) {
    if (limit.IsCancelled()) {
      if (!limit.IsAbandoned()) Forward();
      return Outcome::kCancelled;
    }
    int32_t seen = word_->load();
    if (OwnerOf(seen) == 0 && TryTake(seen, sleeps > 0)) {
      if (sleeps >= kOvertakenOften) block_->is_unfair.store(0);
      return (seen & kOwnerDied) != 0 ? Outcome::kOwnerDied : Outcome::kDone;
    }
    if ((seen & kSleepers) == 0 && spinner.Spin()) continue;
    if (limit.until.IsOver()) {
      Forward();
      return Outcome::kTimedOut;
    }
    if (!AnnounceSleep(&seen)) continue;
    Watched watched[2] = {{word_, seen}};
    // One that is free is another's turn; but that one may have died with it.
    WaitLimit turn = limit;
    if (OwnerOf(seen) == 0) turn.until = turn.until.ButWithin(kTurnMs);
    turn.SleepOn(watched, 1);
    if (++sleeps == kOvertakenOften) block_->is_unfair.store(1);
  }
}

}  // namespace truefork
