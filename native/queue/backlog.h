// Records that wait in this process until there is room for them in a ring. A
// thread puts them, whatever JavaScript is doing meanwhile.
#pragma once

#include <deque>
#include <mutex>
#include <vector>

#include "queue/ring.h"

namespace truefork {

class Backlog {
 public:
  // Copies it. Returns whether somebody feeds; if not call Feed().
  bool Add(const Record& record);
  // The last one that was added, by whoever could not have it fed.
  void Withdraw();

  // Puts what there is into the ring, and what is added meanwhile. kDone if
  // nothing is left.
  Outcome Feed(Ring ring, const WaitLimit& limit);

  [[nodiscard]] int32_t count() const { return count_.load(); }
  // The thread that feeds, or did: its LockerId().
  [[nodiscard]] int32_t feeder() const { return feeder_.load(); }
  // Where others see how many they are.
  void ShowIn(Word* counter) { shown_ = counter; }
  // False if the time was over before.
  bool AwaitEnd(const Deadline& until);

 private:
  struct Waiting {
    uint8_t kind;
    std::vector<uint8_t> bytes;
  };

  const Waiting* First();
  void DropFirst();
  void Count(int32_t change);

  std::mutex lock_;
  std::deque<Waiting> records_;
  bool is_fed_ = false;
  Word count_{0};
  Word feeder_{0};
  Word* shown_ = nullptr;
};

}  // namespace truefork
