// The thread of an Agent, and what the two of them share.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "sync/shared_lock.h"

namespace truefork {

// The errand cannot be cancelled: it has begun to take something.
constexpr auto kGoesOn = static_cast<Outcome>(5);

class AgentThread {
 public:
  using Errand = std::function<Outcome(const Patience&)>;

  // Starts the thread. 0 or -errno.
  static int Start(const std::shared_ptr<AgentThread>& agent,
                   uv_async_t* when_done);

  // Gives the thread, which must be idle, something to do.
  void Send(Errand errand);
  void Cancel();
  // Cancels, and waits for the outcome. Or kGoesOn.
  Outcome Recall();
  // Waits until the errand has ended. False if the time was over before.
  bool AwaitEnd(const Moment& until);
  // Whether an errand has ended, and nobody has been told yet.
  bool TakeNotice();
  [[nodiscard]] Outcome outcome() const { return outcome_; }
  // Lets go of what the errand that has ended worked on. The lock that it has
  // got must be the other's by now.
  void ForgetErrand();
  // What it is in the words of locks, once it has had an errand.
  [[nodiscard]] int32_t locker_id() const { return locker_id_; }
  // Cancels, and waits until the thread has ended.
  void Stop();

 private:
  enum State : int32_t { kResting, kBusy, kDone, kStopping };

  static void Run(void* agent);
  bool AwaitErrand();
  void TellLoop();
  void Become(State state);

  Word state_{kResting};
  Word cancelled_{0};
  Errand errand_;
  Outcome outcome_ = Outcome::kCancelled;
  int32_t locker_id_ = 0;
  std::optional<RobustList> list_;
  // The handle goes before the thread does.
  std::mutex handle_lock_;
  uv_async_t* when_done_ = nullptr;
  uv_thread_t id_{};
};

}  // namespace truefork
