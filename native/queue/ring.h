// A queue in shared memory: records of bytes, of any length, that processes put
// in at one end and take out at the other.
//
// A process that puts holds one lock, one that takes another, both of them
// robust (shared_lock.h), and only inside of the functions below: nothing of
// the user's runs meanwhile. The changes of such a process, which may be
// killed, do not count until one store of eight bytes, to `tail` or to `head`,
// makes them count: then the record is in the queue, or out of it. So whoever
// dies, and wherever, leaves a valid queue behind, and takes the record with it
// that it was putting or taking, and no other.
//
// A record that is too long for the ring goes through in pieces. That it is not
// complete is part of those same eight bytes. When the one who puts it dies,
// whoever has its lock next puts an end to the record, and the one who takes it
// throws it away; when the one who takes it dies, the next one throws away the
// rest.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sync/shared_lock.h"

namespace truefork {

// The head in front of a record in the ring, and of one that was taken.
struct RecordHead {
  uint32_t length;  // in bytes, without this
  uint8_t kind;     // for those who use the ring
  uint8_t flags;
  uint16_t unused;
};

struct Record {
  uint8_t kind;
  const uint8_t* bytes;
  size_t size;
};

// Where a record goes that is taken: its head, then its bytes.
class Destination {
 public:
  Destination() = default;
  // Records up to `size` go to `place`.
  Destination(uint8_t* place, size_t size) : place_(place), room_(size) {}
  // Is to count the records that are taken: each before it is out of the ring.
  void CountIn(Word* counter) { counter_ = counter; }
  ~Destination();
  Destination(const Destination&) = delete;
  Destination& operator=(const Destination&) = delete;
  Destination(Destination&& other) noexcept;
  Destination& operator=(Destination&& other) noexcept;

  // Memory for so many bytes; nullptr if there is none.
  uint8_t* MakeRoom(size_t size);
  [[nodiscard]] size_t size() const { return size_; }
  void Count() const {
    if (counter_ != nullptr) counter_->fetch_add(1);
  }
  // Memory of malloc(), which becomes the caller's; nullptr if the record went
  // to the place that was given.
  uint8_t* TakeMemory();

 private:
  uint8_t* place_ = nullptr;
  size_t room_ = 0;
  uint8_t* memory_ = nullptr;
  size_t size_ = 0;
  Word* counter_ = nullptr;
};

// There is a record, but no memory to take it to. It stays.
constexpr auto kNoMemory = static_cast<Outcome>(4);
// It is not known yet: another process is putting or taking, or the record
// comes in pieces and takes longer than there is time. Ask a waiter thread.
constexpr auto kBusy = static_cast<Outcome>(6);

// How long to wait for one who is copying, though there is no time to wait.
constexpr double kCopyMs = 100;
// The same for a thread that has other things to do.
constexpr double kBriefCopyMs = 1;

// A place in the queue, counted in units from its beginning, and how many
// records have their end before it; both wrap around. The eight bytes that
// count.
struct Mark {
  static constexpr size_t kUnit = 8;

  uint32_t position;
  uint32_t records : 31;
  // Whether a record goes on here.
  uint32_t is_inside : 1;
};
static_assert(sizeof(Mark) == 8);

// Which position is at the beginning of the ring, and how many units it has at
// present, a power of two. Changed in one step, too.
struct Layout {
  uint32_t origin;
  uint32_t units;
};

constexpr int kSlots = 250;

// The beginning of the shared memory, zero at first but for the size.
struct RingBlock {
  LockBlock putting;
  LockBlock taking;
  // Changed by the one who puts. The other waits for its first half.
  alignas(64) std::atomic<Mark> tail;
  Word taker_sleeps;
  Word tail_bell;  // as in shared_semaphore.cc
  // Changed by the one who takes.
  alignas(64) std::atomic<Mark> head;
  Word putter_sleeps;
  Word head_bell;
  // How many units were taken while the queue was short.
  uint32_t taken;
  // Changed by whoever is both, or by the one who puts if the queue is empty.
  alignas(64) std::atomic<Layout> layout;
  // How many units there is memory for.
  uint32_t most_units;
  // How many records there can be; 0: as many as there is room for.
  uint32_t most;
  // Of tasks.h.
  alignas(64) std::atomic<uint32_t> done;
  Word joiner_waits;
  Word finish;
  Word join_bell;
  Word is_crowded;
  Word slots_used;
  LockBlock slots[kSlots];
};

class Ring {
 public:
  static constexpr size_t kMinSize = 4096;
  static constexpr size_t kMaxSize = size_t{1} << 32;

  // How much memory a ring of `size` bytes takes, a power of two.
  static size_t LengthFor(size_t size);
  // Makes a ring of memory that is all zeros.
  static RingBlock* Make(void* memory, size_t size, uint32_t most);
  // The ring in memory that another process has made; nullptr: there is none.
  static RingBlock* Find(void* memory, size_t length);

  // `grace_ms` is how long to wait, after the time, for one who is copying.
  explicit Ring(RingBlock* block, double grace_ms = kCopyMs);

  // Waits for room. kDone, kTimedOut, kCancelled; kBusy if it was out of time
  // because of another who was putting or taking.
  Outcome Put(const Record& record, const WaitLimit& limit);
  // Waits for a record. Or kNoMemory. A record in pieces that it has begun to
  // take it takes to the end, however long that takes: it commits itself
  // (WaitLimit), or it is kBusy and the record stays.
  Outcome Take(Destination* destination, const WaitLimit& limit);
  // Puts a record that was taken back to where it was. False if somebody is
  // putting, or there is no room.
  bool PutBack(const Record& record);

  // Whether another thread than this one has the lock of those who put.
  [[nodiscard]] bool IsAnotherPutting(int32_t thread) const {
    const int32_t holder = putting_.holder();
    return holder != 0 && holder != thread;
  }
  // Records that are in the queue.
  [[nodiscard]] uint32_t count() const;
  [[nodiscard]] uint32_t most() const { return block_->most; }
  [[nodiscard]] bool is_empty() const;

 private:
  Outcome PutRecord(const Record& record, const WaitLimit& limit);
  Outcome PutInPieces(const Record& record, const WaitLimit& limit);
  Outcome AwaitRoom(uint32_t units, bool is_record, const WaitLimit& limit);
  [[nodiscard]] bool MayPut(bool is_record) const;
  [[nodiscard]] bool Fits(uint32_t units) const;
  [[nodiscard]] bool FitsSoon(uint32_t units) const;
  bool Grow(uint32_t units, const WaitLimit& limit);
  void GrowFor(uint32_t units);
  void AbandonRecord();
  void CleanUpAfterPutter();
  void Publish(Mark tail);

  Outcome TakeRecord(Destination* destination, const WaitLimit& limit);
  [[nodiscard]] bool IsWhole() const;
  bool TakePieces(const Destination& destination, uint8_t* place,
                  const WaitLimit& limit);
  Outcome SkipPieces(const WaitLimit& limit);
  Outcome AwaitPiece(const WaitLimit& limit);
  void AbandonForDead();
  void Advance(Mark head);

  void Shrink();
  bool MoveToBeginning();
  void GiveBack(uint32_t from, uint32_t to);

  void Write(uint32_t position, const RecordHead& head, const uint8_t* bytes);
  void WriteHead(uint32_t position, const RecordHead& head);
  void CopyIn(uint32_t position, const uint8_t* bytes, size_t size);
  void CopyOut(uint32_t position, uint8_t* bytes, size_t size) const;
  [[nodiscard]] RecordHead HeadAt(uint32_t position) const;
  [[nodiscard]] uint32_t PlaceOf(uint32_t position) const;
  [[nodiscard]] uint32_t used() const;
  [[nodiscard]] Layout layout() const;

  RingBlock* block_;
  uint8_t* bytes_;
  SharedLock putting_;
  SharedLock taking_;
  double grace_ms_;
};

}  // namespace truefork
