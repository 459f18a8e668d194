#include "queue/ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "sync/spinner.h"

namespace truefork {

namespace {

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
constexpr uint32_t kTakenMost = 4 * kLong;

size_t PageSize() {
  static const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

size_t SizeOfBlock() {
  return (sizeof(RingBlock) + PageSize() - 1) & ~(PageSize() - 1);
}

uint32_t UnitsOf(size_t length) {
  return static_cast<uint32_t>((sizeof(RecordHead) + length + Mark::kUnit - 1) /
                               Mark::kUnit);
}

// The longest record that goes through a ring of that length in one piece, in
// bytes.
size_t LongestRecord(uint32_t units) { return units * Mark::kUnit / 4; }

// The half that threads sleep on.
Word* PositionOf(std::atomic<Mark>* mark) {
  return reinterpret_cast<Word*>(mark);
}

int32_t Expected(uint32_t position) { return static_cast<int32_t>(position); }

bool IsTaken(Outcome outcome) {
  return outcome == Outcome::kDone || outcome == Outcome::kOwnerDied;
}

// The head as it is once a piece is taken.
Mark After(Mark head, const RecordHead& piece) {
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
void StoreAndWake(std::atomic<Mark>* mark, Mark value, Word* sleeps,
                  Word* bell) {
  RobustList list = RobustList::OfThisThread();
  list.BeginAt(bell);
  mark->store(value);
  if (sleeps->load() != 0 && sleeps->exchange(0) != 0)
    Wake(PositionOf(mark), 1);
  list.End();
}

}  // namespace

Destination::~Destination() { free(memory_); }

Destination::Destination(Destination&& other) noexcept
    : memory_(other.TakeMemory()), size_(other.size_) {}

Destination& Destination::operator=(Destination&& other) noexcept {
  free(memory_);
  memory_ = other.TakeMemory();
  size_ = other.size_;
  return *this;
}

uint8_t* Destination::MakeRoom(size_t size) {
  free(memory_);
  memory_ = nullptr;
  size_ = size;
  if (size <= room_) return place_;
  memory_ = static_cast<uint8_t*>(malloc(size));
  return memory_;
}

uint8_t* Destination::TakeMemory() { return std::exchange(memory_, nullptr); }

size_t Ring::LengthFor(size_t size) { return SizeOfBlock() + size; }

RingBlock* Ring::Make(void* memory, size_t size, uint32_t most) {
  auto* block = static_cast<RingBlock*>(memory);
  block->most_units = static_cast<uint32_t>(size / Mark::kUnit);
  block->layout.store({0, std::min(kUsual, block->most_units)});
  block->most = most;
  return block;
}

RingBlock* Ring::Find(void* memory, size_t length) {
  auto* block = static_cast<RingBlock*>(memory);
  if (length < LengthFor(kLeastSize)) return nullptr;
  const size_t size = size_t{block->most_units} * Mark::kUnit;
  const bool is_ring = std::has_single_bit(block->most_units) &&
                       size >= kLeastSize && size <= kGreatestSize &&
                       length == LengthFor(size);
  return is_ring ? block : nullptr;
}

Ring::Ring(RingBlock* block, double grace_ms)
    : block_(block),
      bytes_(reinterpret_cast<uint8_t*>(block) + SizeOfBlock()),
      putting_(&block->putting),
      taking_(&block->taking),
      grace_ms_(grace_ms) {}

uint32_t Ring::count() const {
  constexpr uint32_t kRecords = 0x7fffffff;
  const Mark head = block_->head.load();  // first: it may not overtake the tail
  return (block_->tail.load().records - head.records) & kRecords;
}

bool Ring::is_empty() const {
  const Mark head = block_->head.load();
  return block_->tail.load().position == head.position;
}

// To put.

Outcome Ring::Put(const Record& record, const WaitLimit& limit) {
  const Turn turn(&putting_, limit, grace_ms_,
                  [this] { return block_->putter_sleeps.load() != 0; });
  if (!turn.has_come()) return turn.outcome();
  CleanUpAfterPutter();
  if (record.size <= LongestRecord(block_->most_units))
    return PutRecord(record, limit);
  return PutInPieces(record, limit);
}

// Killed before Publish() has stored the tail: the record is not there, and
// what was written lies where nobody looks. After it: the record is there.
Outcome Ring::PutRecord(const Record& record, const WaitLimit& limit) {
  const uint32_t units = UnitsOf(record.size);
  const Outcome outcome = AwaitRoom(units, true, limit);
  if (outcome != Outcome::kDone) return outcome;
  Mark tail = block_->tail.load();
  Write(tail.position, {static_cast<uint32_t>(record.size), record.kind, 0, 0},
        record.bytes);
  tail.position += units;
  tail.records++;
  Publish(tail);
  return Outcome::kDone;
}

// Killed in here: the tail says that a record goes on, and the next one who has
// the lock puts an end to it.
Outcome Ring::PutInPieces(const Record& record, const WaitLimit& limit) {
  const uint32_t units = UnitsOf(sizeof(Length));
  Outcome outcome = AwaitRoom(units, true, limit);
  if (outcome != Outcome::kDone) return outcome;
  Mark tail = block_->tail.load();
  const Length length = record.size;
  Write(tail.position, {sizeof length, record.kind, kGoesOn, 0},
        reinterpret_cast<const uint8_t*>(&length));
  tail.position += units;
  tail.is_inside = 1;
  Publish(tail);
  for (size_t done = 0; tail.is_inside != 0;) {
    const size_t size =
        std::min(record.size - done, LongestRecord(layout().units));
    outcome = AwaitRoom(UnitsOf(size), false, limit);
    if (outcome != Outcome::kDone) {
      AbandonRecord();
      return outcome;
    }
    const bool goes_on = done + size < record.size;
    Write(tail.position,
          {static_cast<uint32_t>(size), record.kind,
           static_cast<uint8_t>(goes_on ? kGoesOn : 0), 0},
          record.bytes + done);
    done += size;
    tail.position += UnitsOf(size);
    if (!goes_on) {
      tail.records++;
      tail.is_inside = 0;
    }
    Publish(tail);
  }
  return Outcome::kDone;
}

// Called with the lock of who puts.
void Ring::CleanUpAfterPutter() {
  // One that was killed while it slept, or another's that has been woken.
  block_->putter_sleeps.store(0);
  if (block_->tail.load().is_inside != 0) AbandonRecord();
}

// There is always room for it: Fits() leaves some, and until a record is
// begun nobody needs it again.
void Ring::AbandonRecord() {
  Mark tail = block_->tail.load();
  WriteHead(tail.position, {0, 0, kIsAbandoned, 0});
  tail.position += UnitsOf(0);
  tail.is_inside = 0;
  Publish(tail);
}

uint32_t Ring::used() const {
  const uint32_t head = block_->head.load().position;
  return block_->tail.load().position - head;
}

bool Ring::MayPut(bool is_record) const {
  return !is_record || block_->most == 0 || count() < block_->most;
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
  constexpr double kMostMs = 1;
  constexpr int kLooks = 10;
  const bool fits_when_empty = units + UnitsOf(0) <= layout().units;
  if (!fits_when_empty) return false;
  const auto size = static_cast<double>(units * Mark::kUnit);
  const Deadline end = Deadline::In(std::min(size * kMsPerByte, kMostMs));
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

Outcome Ring::AwaitRoom(uint32_t units, bool is_record,
                        const WaitLimit& limit) {
  for (Spinner spinner;;) {
    // First: what changes after the look ends the sleep.
    const uint32_t position = block_->head.load().position;
    if (MayPut(is_record) && (Fits(units) || Grow(units, limit)))
      return Outcome::kDone;
    if (limit.IsCancelled()) return Outcome::kCancelled;
    if (limit.until.IsOver()) return Outcome::kTimedOut;
    if (spinner.Spin()) continue;
    block_->putter_sleeps.store(1);
    // Also on that: who takes may say in this moment that there is room, and
    // mean what this one has seen already.
    Watched watched[4] = {{PositionOf(&block_->head), Expected(position)},
                          {&block_->putter_sleeps, 1},
                          {&block_->head_bell, 0}};
    limit.SleepOn(watched, 3);
    block_->putter_sleeps.store(0);
  }
}

void Ring::Publish(Mark tail) {
  StoreAndWake(&block_->tail, tail, &block_->taker_sleeps, &block_->tail_bell);
}

// To take.

Outcome Ring::Take(Destination* destination, const WaitLimit& limit) {
  const Turn turn(&taking_, limit, grace_ms_, [this] { return is_empty(); });
  if (!turn.has_come()) return turn.outcome();
  block_->taker_sleeps.store(0);
  // The one before was killed inside of a record.
  Outcome outcome = SkipPieces(limit);
  if (outcome == Outcome::kDone) outcome = TakeRecord(destination, limit);
  if (outcome == Outcome::kDone) Shrink();
  return outcome;
}

// Killed before Advance() has stored the head: the record is still there. After
// it: it is gone, and was in the hands of the one who was killed.
Outcome Ring::TakeRecord(Destination* destination, const WaitLimit& limit) {
  for (;;) {
    const Outcome outcome = AwaitPiece(limit);
    if (outcome != Outcome::kDone) return outcome;
    const Mark head = block_->head.load();
    const RecordHead piece = HeadAt(head.position);
    const bool goes_on = (piece.flags & kGoesOn) != 0;
    Length length = piece.length;
    if (goes_on) {
      CopyOut(head.position + 1, reinterpret_cast<uint8_t*>(&length),
              sizeof length);
    }
    if (goes_on && !IsWhole() && !limit.Commit())
      return limit.IsCancelled() ? Outcome::kCancelled : kBusy;
    uint8_t* place = destination->MakeRoom(sizeof piece + length);
    if (place == nullptr) return kNoMemory;
    memcpy(place, &piece, sizeof piece);
    place += sizeof piece;
    if (!goes_on) {
      CopyOut(head.position + 1, place, length);
      destination->Count();
    }
    Advance(After(head, piece));
    if (!goes_on || TakePieces(*destination, place, limit))
      return Outcome::kDone;
    // The other side, which could not cancel it, may have left meanwhile.
    if (limit.cancelled != nullptr) return Outcome::kCancelled;
  }
}

// Whether all pieces are there of the record that is next.
bool Ring::IsWhole() const {
  const uint32_t tail = block_->tail.load().position;
  uint32_t position = block_->head.load().position;
  while (position != tail) {
    const RecordHead piece = HeadAt(position);
    if ((piece.flags & kGoesOn) == 0) return true;
    position += UnitsOf(piece.length);
  }
  return false;
}

// Killed in here: the head says that a record goes on, and the next one who has
// the lock skips the rest. False if it was abandoned, or the thread ends.
bool Ring::TakePieces(const Destination& destination, uint8_t* place,
                      const WaitLimit& limit) {
  const WaitLimit to_the_end{Deadline::Never(), limit.cancelled};
  for (;;) {
    // Nobody gives up here, for what it has cannot be put back. The one who
    // puts either goes on, as there is room, or gives up, or dies.
    if (AwaitPiece(to_the_end) != Outcome::kDone) return false;
    const Mark head = block_->head.load();
    const RecordHead piece = HeadAt(head.position);
    CopyOut(head.position + 1, place, piece.length);
    place += piece.length;
    const bool is_whole = (piece.flags & (kGoesOn | kIsAbandoned)) == 0;
    if (is_whole) destination.Count();
    Advance(After(head, piece));
    if ((piece.flags & kGoesOn) == 0) return is_whole;
  }
}

Outcome Ring::SkipPieces(const WaitLimit& limit) {
  for (;;) {
    const Mark head = block_->head.load();
    if (head.is_inside == 0) return Outcome::kDone;
    const Outcome outcome = AwaitPiece(limit);
    if (outcome != Outcome::kDone) return outcome;
    Advance(After(head, HeadAt(head.position)));
  }
}

Outcome Ring::AwaitPiece(const WaitLimit& limit) {
  const Mark head = block_->head.load();
  for (Spinner spinner;;) {
    if (block_->tail.load().position != head.position) return Outcome::kDone;
    if (limit.IsCancelled()) return Outcome::kCancelled;
    if (limit.until.IsOver()) return Outcome::kTimedOut;
    if (spinner.Spin()) continue;
    block_->taker_sleeps.store(1);
    // As in AwaitRoom().
    Watched watched[5] = {{PositionOf(&block_->tail), Expected(head.position)},
                          {&block_->taker_sleeps, 1},
                          {&block_->tail_bell, 0}};
    if (head.is_inside == 0) {
      limit.SleepOn(watched, 3);
    } else if (!putting_.SleepBesideHolder(watched, 3, limit)) {
      AbandonForDead();
    }
    block_->taker_sleeps.store(0);
  }
}

// The one who puts the record has died with it, and nobody has come since.
void Ring::AbandonForDead() {
  // To wait for the lock would be wrong: who comes now abandons the record, and
  // may then wait for room, which only we can make.
  const Turn turn(&putting_);
  if (turn.has_come()) CleanUpAfterPutter();
}

void Ring::Advance(Mark head) {
  const uint32_t units = head.position - block_->head.load().position;
  block_->taken = std::min(block_->taken + units, kTakenMost);
  StoreAndWake(&block_->head, head, &block_->putter_sleeps, &block_->head_bell);
}

bool Ring::PutBack(const Record& record) {
  const WaitLimit limit{Deadline::In(kCopyMs), nullptr};
  const Turn to_take(&taking_, limit, 0, [] { return true; });
  if (!to_take.has_come() || record.size > LongestRecord(layout().units))
    return false;
  const Turn to_put(&putting_, limit, 0,
                    [this] { return block_->putter_sleeps.load() != 0; });
  if (!to_put.has_come()) return false;
  CleanUpAfterPutter();
  const uint32_t units = UnitsOf(record.size);
  Mark head = block_->head.load();
  if (head.is_inside != 0 || !Fits(units)) return false;
  head.position -= units;
  head.records--;
  Write(head.position, {static_cast<uint32_t>(record.size), record.kind, 0, 0},
        record.bytes);
  block_->head.store(head);
  return true;
}

// Memory.

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
