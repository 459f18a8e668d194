// The end of a ring at which records are put.
#include <algorithm>

#include "queue/ring_parts.h"
#include "sync/spinner.h"

namespace truefork {

using namespace ring;

Outcome Ring::Put(const Record& record, const WaitLimit& limit) {
  const Turn turn(&putting_, limit, grace_ms_,
                  [this] { return block_->putter_sleeps.load() != 0; });
  if (!turn.has_come()) return turn.outcome();
  CleanUpAfterPutter();
  if (record.size <= MaxRecordSize(block_->most_units))
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
        std::min(record.size - done, MaxRecordSize(layout().units));
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

bool Ring::MayPut(bool is_record) const {
  return !is_record || block_->most == 0 || count() < block_->most;
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

}  // namespace truefork
