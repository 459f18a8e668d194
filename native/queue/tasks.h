// The records of a ring as tasks: one that was put is unfinished until somebody
// says that it is done. And who has them: a process that takes some, or has
// some to put yet, sits on a seat, which is a lock that it holds; so the kernel
// tells when it has gone, and what it had is lost.
#pragma once

#include "queue/ring.h"

namespace truefork {

class Tasks {
 public:
  static constexpr int kNoSeat = -1;

  explicit Tasks(RingBlock* block) : block_(block) {}

  // For the calling thread, until it gets up or ends. kNoSeat if all are taken:
  // then lost tasks are not noticed any more.
  int Sit();
  // Gives up the calling thread's seat. Tasks that it has taken and not done
  // are lost.
  void GetUp(int seat);
  // How many tasks the process on this seat has taken, less those it has done.
  Word* taken(int seat) { return &block_->seats[seat].count; }
  // How many records it has yet to put.
  Word* to_put(int seat) { return &block_->seats[seat].to_put; }
  // Of all processes.
  [[nodiscard]] uint32_t to_put() const;

  // False if there is no unfinished one.
  bool SetDone(int seat);
  // Waits until all are done or lost.
  Outcome AwaitEnd(const WaitLimit& limit);
  // How many are lost. They count as done from now on.
  uint32_t WriteOff();

 private:
  [[nodiscard]] uint32_t unfinished() const;
  [[nodiscard]] uint32_t lost() const;
  [[nodiscard]] bool IsTaken(int seat) const;
  [[nodiscard]] int32_t TakenByTheLiving() const;
  void WakeJoiners();

  RingBlock* block_;
};

}  // namespace truefork
