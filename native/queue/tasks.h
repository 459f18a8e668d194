// The records of a ring as tasks: one that was put is unfinished until somebody
// says that it is done. And who has them: a process that takes some, or has
// some to put yet, has a slot, which is a lock that it holds; so the kernel
// tells when it has gone, and what it had is lost.
#pragma once

#include "queue/ring.h"

namespace truefork {

class Tasks {
 public:
  static constexpr int kNoSlot = -1;

  explicit Tasks(RingBlock* block) : block_(block) {}

  // For the calling thread, until it leaves it or ends. kNoSlot if all are
  // taken: then lost tasks are not noticed any more.
  int TakeSlot();
  // Leaves the calling thread's slot. Tasks that it has taken and not done
  // are lost.
  void LeaveSlot(int slot);
  // How many tasks the process with this slot has taken, less those it has
  // done.
  Word* taken(int slot) { return &block_->slots[slot].count; }
  // How many records it has yet to put.
  Word* to_put(int slot) { return &block_->slots[slot].to_put; }
  // Of all processes.
  [[nodiscard]] uint32_t to_put() const;

  // False if there is no unfinished one.
  bool SetDone(int slot);
  // Waits until all are done or lost.
  Outcome AwaitEnd(const WaitLimit& limit);
  // How many are lost. They count as done from now on.
  uint32_t WriteOff();

 private:
  [[nodiscard]] uint32_t unfinished() const;
  [[nodiscard]] uint32_t lost() const;
  [[nodiscard]] bool IsTaken(int slot) const;
  [[nodiscard]] int32_t TakenByTheLiving() const;
  void WakeJoiners();

  RingBlock* block_;
};

}  // namespace truefork
