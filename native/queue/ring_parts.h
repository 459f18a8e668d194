// Parts of a ring (ring.h) that putting, taking and moving its bytes have in
// common.
#pragma once

#include <unistd.h>

#include <bit>

#include "queue/ring.h"

namespace truefork::ring {

static_assert(std::endian::native == std::endian::little);
static_assert(std::atomic<Mark>::is_always_lock_free);

enum Flags : uint8_t {
  kGoesOn = 1,      // another piece follows
  kIsAbandoned = 2  // there is no more of this record
};

// A record in pieces begins with one that says how many bytes it has.
using Length = uint64_t;

// The units of a ring at first, and again when it is not needed longer.
constexpr uint32_t kUsual = (1 << 20) / Mark::kUnit;
// One that is not longer than that stays so for a while.
constexpr uint32_t kLong = 16 * kUsual;
// As much as is counted.
constexpr uint32_t kMaxTaken = 4 * kLong;

inline size_t PageSize() {
  static const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

inline size_t SizeOfBlock() {
  return (sizeof(RingBlock) + PageSize() - 1) & ~(PageSize() - 1);
}

inline uint32_t UnitsOf(size_t length) {
  return static_cast<uint32_t>((sizeof(RecordHead) + length + Mark::kUnit - 1) /
                               Mark::kUnit);
}

// The longest record that goes through a ring of that length in one piece, in
// bytes.
inline size_t MaxRecordSize(uint32_t units) { return units * Mark::kUnit / 4; }

// The half that threads sleep on.
inline Word* PositionOf(std::atomic<Mark>* mark) {
  return reinterpret_cast<Word*>(mark);
}

inline int32_t Expected(uint32_t position) {
  return static_cast<int32_t>(position);
}

inline bool IsTaken(Outcome outcome) {
  return outcome == Outcome::kDone || outcome == Outcome::kOwnerDied;
}

// The head as it is once a piece is taken.
inline Mark After(Mark head, const RecordHead& piece) {
  const bool goes_on = (piece.flags & kGoesOn) != 0;
  head.position += UnitsOf(piece.length);
  head.is_inside = goes_on ? 1 : 0;
  // One that is abandoned has never been a record.
  if (!goes_on && (piece.flags & kIsAbandoned) == 0) head.records++;
  return head;
}

// While it has a lock.
class Turn {
 public:
  // `is_hopeless` is asked when the time is over: whether the one who has it
  // waits for the other end. If not it has it for a deadline, and to give up
  // would tell of a queue that is full or empty and is not.
  template <typename Condition>
  Turn(SharedLock* lock, WaitLimit limit, double grace_ms,
       const Condition& is_hopeless)
      : lock_(lock) {
    outcome_ = lock_->Acquire(limit, &is_listed_);
    if (outcome_ != Outcome::kTimedOut || is_hopeless()) return;
    const Deadline end = Deadline::In(grace_ms);
    while (outcome_ == Outcome::kTimedOut && !end.IsOver()) {
      limit.until = end.ButWithin(1);
      outcome_ = lock_->Acquire(limit, &is_listed_);
      if (is_hopeless()) return;
    }
    if (outcome_ == Outcome::kTimedOut) outcome_ = kBusy;
  }
  explicit Turn(SharedLock* lock,
                const WaitLimit& limit = {Deadline::In(0), nullptr})
      : lock_(lock) {
    outcome_ = lock_->Acquire(limit, &is_listed_);
  }
  ~Turn() {
    if (has_come()) lock_->Release(is_listed_);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  [[nodiscard]] bool has_come() const { return IsTaken(outcome_); }
  [[nodiscard]] Outcome outcome() const { return outcome_; }

 private:
  SharedLock* lock_;
  Outcome outcome_;
  bool is_listed_ = false;
};

// Changes what the one at the other end waits for, and wakes it if it sleeps.
//
// Killed before the store: nothing has happened. After it: the bell is pending,
// so the kernel wakes the one that sleeps on it, whether we have taken back its
// flag or not; it looks again, as after any sleep.
inline void StoreAndWake(std::atomic<Mark>* mark, Mark value, Word* sleeps,
                         Word* bell) {
  RobustList list = RobustList::OfThisThread();
  list.BeginAt(bell);
  mark->store(value);
  if (sleeps->load() != 0 && sleeps->exchange(0) != 0)
    Wake(PositionOf(mark), 1);
  list.End();
}

}  // namespace truefork::ring
