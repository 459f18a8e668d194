#include "queue/tasks.h"

#include <climits>

namespace truefork {

namespace {

// The bits of a Mark that count records.
constexpr uint32_t kRecords = 0x7fffffff;

// How often to look whether somebody has died.
constexpr double kSliceMs = 200;

}  // namespace

int Tasks::TakeSlot() {
  for (int slot = 0; slot < kSlots; slot++) {
    SharedLock lock(&block_->slots[slot]);
    if (lock.is_held()) continue;
    bool is_listed = false;
    const Outcome outcome =
        lock.Acquire({Deadline::In(0), nullptr}, &is_listed);
    if (outcome != Outcome::kDone && outcome != Outcome::kOwnerDied) continue;
    taken(slot)->store(0);
    to_put(slot)->store(0);
    int32_t slots = block_->slots_used.load();
    while (slots <= slot &&
           !block_->slots_used.compare_exchange_weak(slots, slot + 1)) {
    }
    return slot;
  }
  block_->is_crowded.store(1);
  return kNoSlot;
}

void Tasks::LeaveSlot(int slot) {
  SharedLock(&block_->slots[slot]).Release(true);
}

bool Tasks::IsTaken(int slot) const {
  return SharedLock(&block_->slots[slot]).is_held();
}

uint32_t Tasks::to_put() const {
  uint32_t sum = 0;
  for (int slot = 0; slot < block_->slots_used.load(); slot++)
    if (IsTaken(slot)) sum += block_->slots[slot].to_put.load();
  return sum;
}

int32_t Tasks::TakenByTheLiving() const {
  int32_t sum = 0;
  for (int slot = 0; slot < block_->slots_used.load(); slot++)
    if (IsTaken(slot)) sum += block_->slots[slot].count.load();
  return sum;
}

uint32_t Tasks::unfinished() const {
  const uint32_t done = block_->done.load();  // first: it may not overtake
  return (block_->tail.load().records - done) & kRecords;
}

bool Tasks::SetDone(int slot) {
  RobustList list = RobustList::OfThisThread();
  // Killed before all are woken: the kernel wakes one, who wakes the others.
  list.BeginAt(&block_->join_bell);
  bool is_right = true;
  uint32_t done = block_->done.load();
  do {
    is_right = ((block_->tail.load().records - done) & kRecords) != 0;
  } while (is_right && !block_->done.compare_exchange_weak(done, done + 1));
  if (is_right) {
    // Afterwards, so that it is never nobody's: see lost().
    if (slot != kNoSlot) taken(slot)->fetch_sub(1);
    if (block_->joiner_waits.load() != 0 && Ring(block_).count() == 0)
      WakeJoiners();
  }
  list.End();
  return is_right;
}

void Tasks::WakeJoiners() {
  block_->finish.fetch_add(1);
  block_->joiner_waits.store(0);
  Wake(&block_->finish, INT_MAX);
}

// A process that takes a record says so before it is out of the ring, and takes
// that back after it is counted as done. So when the ring was empty, and later
// nobody had anything, and nothing was done meanwhile, nobody has it.
uint32_t Tasks::lost() const {
  const uint32_t before = unfinished();
  if (Ring(block_).count() != 0 || to_put() != 0) return 0;
  if (block_->is_crowded.load() != 0 || TakenByTheLiving() > 0) return 0;
  return unfinished() == before ? before : 0;
}

Outcome Tasks::AwaitEnd(const WaitLimit& limit) {
  for (;;) {
    const int32_t finish = block_->finish.load();
    block_->joiner_waits.store(1);
    const bool are_done = unfinished() == 0 && to_put() == 0;
    if (are_done || lost() != 0) {
      WakeJoiners();  // whoever was to do so may have died
      return Outcome::kDone;
    }
    if (limit.IsCancelled()) return Outcome::kCancelled;
    if (limit.until.IsOver()) return Outcome::kTimedOut;
    Watched watched[3] = {{&block_->finish, finish}, {&block_->join_bell, 0}};
    WaitLimit slice = limit;
    slice.until = limit.until.ButWithin(kSliceMs);
    slice.SleepOn(watched, 2);
  }
}

uint32_t Tasks::WriteOff() {
  uint32_t done = block_->done.load();
  const uint32_t count = lost();
  const bool is_right =
      block_->done.compare_exchange_strong(done, done + count);
  return is_right ? count : 0;
}

}  // namespace truefork
