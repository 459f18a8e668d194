// The end of a ring at which records are taken.
#include <algorithm>
#include <cstring>

#include "queue/ring_parts.h"
#include "sync/spinner.h"

namespace truefork {

using namespace ring;

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
    // This wait does not end early, for what it has cannot be put back. The
    // other process either goes on to put, as there is room, or ends early, or
    // dies.
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
  block_->taken = std::min(block_->taken + units, kMaxTaken);
  StoreAndWake(&block_->head, head, &block_->putter_sleeps, &block_->head_bell);
}

bool Ring::PutBack(const Record& record) {
  const WaitLimit limit{Deadline::In(kCopyMs), nullptr};
  const Turn to_take(&taking_, limit, 0, [] { return true; });
  if (!to_take.has_come() || record.size > MaxRecordSize(layout().units))
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

}  // namespace truefork
