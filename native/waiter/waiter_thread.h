// The thread of an WaiterThreadObject, and what the two of them share.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "sync/shared_lock.h"

namespace truefork {

// The wait cannot be cancelled: it has begun to take something.
constexpr auto kGoesOn = static_cast<Outcome>(5);

class WaiterThread {
 public:
  using PendingWait = std::function<Outcome(const WaitLimit&)>;

  // Starts the thread. 0 or -errno.
  static int Start(const std::shared_ptr<WaiterThread>& thread,
                   uv_async_t* when_done);

  // Gives the thread, which must be idle, something to do.
  void Send(PendingWait wait);
  void Cancel();
  // Cancels, and waits for the outcome. Or kGoesOn.
  Outcome Recall();
  // Waits until the wait has ended. False if the time was over before.
  bool AwaitEnd(const Deadline& until);
  // Whether a wait has ended, and nobody has been told yet.
  bool TakeNotice();
  [[nodiscard]] Outcome outcome() const { return outcome_; }
  // Lets go of what the wait that has ended worked on. The lock that it has
  // got must be the other's by now.
  void ForgetWait();
  // Its number in the words of locks, once it has had a wait.
  [[nodiscard]] int32_t locker_id() const { return locker_id_; }
  // Cancels, and waits until the thread has ended.
  void Stop();

 private:
  enum State : int32_t { kResting, kBusy, kDone, kStopping };

  static void Run(void* thread);
  bool AwaitWork();
  void TellLoop();
  void Become(State state);

  Word state_{kResting};
  Word cancelled_{0};
  PendingWait wait_;
  Outcome outcome_ = Outcome::kCancelled;
  int32_t locker_id_ = 0;
  std::optional<RobustList> list_;
  // The handle goes before the thread does.
  std::mutex handle_lock_;
  uv_async_t* when_done_ = nullptr;
  uv_thread_t id_{};
};

}  // namespace truefork
