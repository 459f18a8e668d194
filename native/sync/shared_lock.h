// A lock in shared memory: whoever dies with it leaves it to the next, and the
// kernel tells that one. JavaScript takes and gives back a lock that nobody
// else wants without coming here (lib/futex/shared-lock.ts).
//
// The word is that of glibc's and the kernel's robust mutexes: the id of the
// thread that holds it, and two bits. A lock that is given back while somebody
// sleeps keeps the bit that says so, unlike a mutex of glibc's: were it lost,
// and the one who was woken killed, the others would sleep for ever.
//
// The word has six values, each written in one step. Here 0 is nobody, T a
// thread's id, S that some sleep, D that the one before has died:
//
// clang-format off
//   from      to        by
//   0, D      T         TryTake(); D becomes the outcome kOwnerDied
//   S, S|D    T|S       TryTake(), by one that has slept, or by anybody as long
//                       as none of them was overtaken too often
//   T         T|S       AnnounceSleep(), before each sleep
//   0, D      S, S|D    the same, if it was taken and given back meanwhile
//   T         0         FreeIfHeldBy(); D, if it is passed on as left
//   T|S       S         the same, and it wakes one, which takes it
//   S         0         WakeNext(), where none of those that slept is left
//   T, T|S    D, S|D    the kernel, at the end of the thread: it wakes one
//   T, T|S    U, U|S    Adopt(), from the thread that took it for U
// clang-format on
//
// The kernel finds the word by the thread's list (robust_list.h), or, while it
// is about to change, by what Begin() has announced.
#pragma once

#include "base/futex.h"
#include "sync/robust_list.h"

namespace truefork {

// 64 bytes of shared memory, zero at first. The lock's word is where the C
// library wants it, somewhere in `words`.
struct LockBlock {
  int32_t words[4];
  // A waiter has been overtaken: who comes now, sleeps first.
  Word is_unfair;
  // Somebody who did not hold the lock gave it back: a lock that is used as a
  // signal has no owner who could die.
  Word is_signal;
  int32_t unused[2];
  RobustLink link;
  // A semaphore's (shared_semaphore.h) or a slot's (tasks.h).
  Word count;
  Word bell;
  Word to_put;
  int32_t rest;
};
static_assert(sizeof(LockBlock) == 64);
static_assert(offsetof(LockBlock, link) == 32);

enum class Outcome : int32_t {
  kTimedOut,
  kDone,
  kOwnerDied,  // done: and it was not given back, but left by one who died
  kCancelled
};

// The limits of a wait: the time, or another thread of this process that
// changes `*cancelled` and wakes it.
struct WaitLimit {
  enum : int32_t {
    kWaiting,
    kCancelled,
    kAbandoned,  // and what was waited for may not be mapped any more
    kCommitted   // it has something in hand and cannot be cancelled any more
  };

  Deadline until = Deadline::Never();
  Word* cancelled = nullptr;

  [[nodiscard]] bool IsCancelled() const {
    if (cancelled == nullptr) return false;
    const int32_t state = cancelled->load();
    return state == kCancelled || state == kAbandoned;
  }
  [[nodiscard]] bool IsAbandoned() const {
    return cancelled != nullptr && cancelled->load() == kAbandoned;
  }
  // From here on only the end of the thread ends the wait. False if it was
  // cancelled before, or if nobody could end it but the time.
  [[nodiscard]] bool Commit() const;
  // Sleeps on the words, of which there are `count`, and room for one more.
  // Returns what Sleep() does.
  bool SleepOn(Watched* watched, size_t count) const;
};

class SharedLock {
 public:
  explicit SharedLock(LockBlock* block);

  // Whether anybody holds it, who is alive.
  [[nodiscard]] bool is_held() const;
  // The id of the thread that does, or 0.
  [[nodiscard]] int32_t holder() const;

  // For the calling thread, which must not hold it. `is_listed` says whether
  // the kernel will give it to the next should the thread end.
  Outcome Acquire(const WaitLimit& limit, bool* is_listed);
  // `is_left`: as the one left it who died, for whoever has not used it.
  void Release(bool is_listed, bool is_left = false);

  // In two steps, for a thread that takes it on behalf of another: until that
  // one has called Adopt() the first must neither end nor take another.
  // Meanwhile it may have been given back by whoever does not hold it.
  Outcome AcquireForAnother(const WaitLimit& limit);
  void Adopt(int32_t holder, bool* is_listed);

  // For one that another has released, and that is in the calling thread's list
  // therefore.
  void Unlist();

  // By whoever does not hold it. False if nobody does.
  bool ReleaseOfAnother();

  // For one who waits for something that the holder does, and does not want the
  // lock: sleeps on these words, of which there are `count`, until the holder
  // gives it back or dies, too. False at once if nobody holds it. There must be
  // room for two more words.
  bool SleepBesideHolder(Watched* watched, size_t count,
                         const WaitLimit& limit);

 private:
  Outcome AcquireWord(const WaitLimit& limit);
  bool List(RobustChange* change);
  bool TryTake(int32_t seen, bool has_slept);
  bool AnnounceSleep(int32_t* seen);
  bool FreeIfHeldBy(int32_t owner, int32_t mark = 0);
  void Forward();
  void WakeNext();

  LockBlock* block_;
  Word* word_;
};

// The id that the calling thread has in the word of a lock.
int32_t LockerId();

}  // namespace truefork
