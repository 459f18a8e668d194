// The memory of a ring: where its bytes are, and how much of it is in use.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "queue/ring_parts.h"
#include "sync/spinner.h"

namespace truefork {

using namespace ring;

uint32_t Ring::used() const {
  const uint32_t head = block_->head.load().position;
  return block_->tail.load().position - head;
}

// With the end of a record that is abandoned.
bool Ring::Fits(uint32_t units) const {
  return used() + units + UnitsOf(0) <= layout().units;
}

// Whether the one who takes makes room for it, within about the time that it
// would take both to touch so much new memory instead. It does not sleep: then
// others would think that there is no room. For those only who can have new
// memory if not: it is no way to wait.
bool Ring::FitsSoon(uint32_t units) const {
  constexpr double kMsPerByte = 2e-6;
  constexpr double kMaxMs = 1;
  constexpr int kLooks = 10;
  const bool fits_when_empty = units + UnitsOf(0) <= layout().units;
  if (!fits_when_empty) return false;
  const auto size = static_cast<double>(units * Mark::kUnit);
  const Deadline end = Deadline::In(std::min(size * kMsPerByte, kMaxMs));
  do {
    for (int i = 0; i < kLooks; i++) {
      if (Fits(units)) return true;
      RelaxProcessor();
    }
  } while (!end.IsOver());
  return false;
}

// Makes the ring longer, if that is needed and there is memory for it.
bool Ring::Grow(uint32_t units, const WaitLimit& limit) {
  const auto is_memory = [=, this] {
    return used() + units + UnitsOf(0) <= block_->most_units;
  };
  if (is_memory() && FitsSoon(units)) return true;
  const Deadline end = Deadline::In(grace_ms_);
  while (is_memory() && !limit.IsCancelled()) {
    if (used() == 0) {
      // A process that takes waits, maybe with its lock, and does not look at
      // the ring before something is there.
      GrowFor(units);
    } else {
      // It takes, and does not wait.
      const Turn turn(&taking_, WaitLimit{Deadline::In(1), nullptr});
      if (turn.has_come()) GrowFor(units);
    }
    if (Fits(units)) return true;
    // Only now: on a busy machine it may be over before the first try.
    if (end.IsOver()) return false;
  }
  return false;
}

// Makes the ring longer. Bytes at its beginning, where the queue goes on from
// the ring's end, move behind that end.
//
// Killed before the layout is stored: it is of no consequence. After it: done.
void Ring::GrowFor(uint32_t units) {
  if (Fits(units)) return;  // meanwhile
  const Layout before = layout();
  const uint32_t head = block_->head.load().position;
  const uint32_t place = PlaceOf(head);
  const uint32_t end = place + used();
  Layout after{head - place, before.units};
  while (used() + units + UnitsOf(0) > after.units) after.units *= 2;
  if (end > before.units) {
    memcpy(bytes_ + before.units * Mark::kUnit, bytes_,
           (end - before.units) * Mark::kUnit);
  }
  block_->layout.store(after);
}

// A queue that was long and is short now gives back what it needed then; if
// that is not much, when it has been short for a while.
void Ring::Shrink() {
  const uint32_t units = layout().units;
  if (units <= kUsual) return;
  const bool is_short = used() <= kUsual / 2;
  if (!is_short) block_->taken = 0;
  const bool is_time = units > kLong || block_->taken > 2 * units;
  // One that sleeps has the lock, too.
  if (!is_short || !is_time || block_->putter_sleeps.load() != 0) return;
  const Turn turn(&putting_);
  if (!turn.has_come()) return;
  CleanUpAfterPutter();
  if (MoveToBeginning()) GiveBack(kUsual, units);
}

// Called with both locks. False if there is no place for it, or too much of it.
//
// Killed before the layout is stored: it is of no consequence. After it: done,
// and what is not given back is given back the next time.
bool Ring::MoveToBeginning() {
  const uint32_t head = block_->head.load().position;
  const uint32_t place = PlaceOf(head);
  const uint32_t units = used();
  if (units > kUsual / 2) return false;
  if (units > 0 && (place < units || place + units > layout().units))
    return false;
  memcpy(bytes_, bytes_ + place * Mark::kUnit, units * Mark::kUnit);
  block_->layout.store({head, kUsual});
  return true;
}

// Gives the pages between two places back to the kernel. They are zeros then.
void Ring::GiveBack(uint32_t from, uint32_t to) {
#if defined(MADV_REMOVE)
  const size_t page = PageSize();
  const size_t begin = (from * Mark::kUnit + page - 1) & ~(page - 1);
  const size_t end = (to * Mark::kUnit) & ~(page - 1);
  if (begin < end) madvise(bytes_ + begin, end - begin, MADV_REMOVE);
#endif
}

// Bytes, of which some may be at the end of the ring and the rest at its
// beginning. A head is in one piece: it is a unit.

uint32_t Ring::PlaceOf(uint32_t position) const {
  const Layout layout = this->layout();
  return (position - layout.origin) & (layout.units - 1);
}

Layout Ring::layout() const {
  return block_->layout.load(std::memory_order_relaxed);
}

RecordHead Ring::HeadAt(uint32_t position) const {
  RecordHead head{};
  CopyOut(position, reinterpret_cast<uint8_t*>(&head), sizeof head);
  return head;
}

void Ring::Write(uint32_t position, const RecordHead& head,
                 const uint8_t* bytes) {
  WriteHead(position, head);
  CopyIn(position + 1, bytes, head.length);
}

void Ring::WriteHead(uint32_t position, const RecordHead& head) {
  CopyIn(position, reinterpret_cast<const uint8_t*>(&head), sizeof head);
}

void Ring::CopyIn(uint32_t position, const uint8_t* bytes, size_t size) {
  if (size == 0) return;
  const size_t offset = PlaceOf(position) * Mark::kUnit;
  const size_t first = std::min(size, layout().units * Mark::kUnit - offset);
  memcpy(bytes_ + offset, bytes, first);
  if (first < size) memcpy(bytes_, bytes + first, size - first);
}

void Ring::CopyOut(uint32_t position, uint8_t* bytes, size_t size) const {
  if (size == 0) return;
  const size_t offset = PlaceOf(position) * Mark::kUnit;
  const size_t first = std::min(size, layout().units * Mark::kUnit - offset);
  memcpy(bytes, bytes_ + offset, first);
  if (first < size) memcpy(bytes + first, bytes_, size - first);
}

}  // namespace truefork
