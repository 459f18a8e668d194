#include "agent/agent_thread.h"

#include <climits>
#include <utility>

namespace truefork {

int AgentThread::Start(const std::shared_ptr<AgentThread>& agent,
                       uv_async_t* when_done) {
  constexpr size_t kStackSize = size_t{128} * 1024;
  uv_thread_options_t options{};
  options.flags = UV_THREAD_HAS_STACK_SIZE;
  options.stack_size = kStackSize;
  agent->when_done_ = when_done;
  auto* shared = new std::shared_ptr<AgentThread>(agent);
  const int error = uv_thread_create_ex(&agent->id_, &options, Run, shared);
  if (error != 0) delete shared;
  return error;
}

void AgentThread::Run(void* argument) {
  auto* shared = static_cast<std::shared_ptr<AgentThread>*>(argument);
  const std::shared_ptr<AgentThread> self = std::move(*shared);
  delete shared;
  self->locker_id_ = LockerId();
  self->list_ = RobustList::OfThisThread();
  while (self->AwaitErrand()) {
    self->outcome_ =
        self->errand_(Patience{Moment::Never(), &self->cancelled_});
    int32_t busy = kBusy;
    if (!self->state_.compare_exchange_strong(busy, kDone)) return;
    Wake(&self->state_, 1);
    self->TellLoop();
  }
}

bool AgentThread::AwaitErrand() {
  for (;;) {
    const int32_t state = state_.load();
    if (state == kBusy) return true;
    if (state == kStopping) return false;
    const Watched watched{&state_, state};
    Sleep(&watched, 1, Moment::Never());
  }
}

void AgentThread::TellLoop() {
  const std::lock_guard<std::mutex> lock(handle_lock_);
  if (when_done_ != nullptr) uv_async_send(when_done_);
}

void AgentThread::Become(State state) {
  state_.store(state);
  Wake(&state_, 1);
}

void AgentThread::Send(Errand errand) {
  errand_ = std::move(errand);
  cancelled_.store(Patience::kWaiting);
  Become(kBusy);
}

void AgentThread::Cancel() {
  int32_t waiting = Patience::kWaiting;
  const bool is_in_time =
      cancelled_.compare_exchange_strong(waiting, Patience::kCancelled);
  if (is_in_time) Wake(&cancelled_, 1);
}

Outcome AgentThread::Recall() {
  Cancel();
  const bool goes_on = cancelled_.load() == Patience::kCommitted;
  if (!AwaitEnd(goes_on ? Moment::In(0) : Moment::Never())) return kGoesOn;
  TakeNotice();
  return outcome_;
}

bool AgentThread::AwaitEnd(const Moment& until) {
  while (state_.load() == kBusy) {
    if (until.IsOver()) return false;
    const Watched watched{&state_, kBusy};
    Sleep(&watched, 1, until);
  }
  return true;
}

bool AgentThread::TakeNotice() {
  int32_t done = kDone;
  return state_.compare_exchange_strong(done, kResting);
}

void AgentThread::ForgetErrand() {
  errand_ = nullptr;
  if (list_.has_value()) list_->End();
}

void AgentThread::Stop() {
  {
    const std::lock_guard<std::mutex> lock(handle_lock_);
    when_done_ = nullptr;
  }
  Become(kStopping);
  cancelled_.store(Patience::kAbandoned);
  Wake(&cancelled_, 1);
  uv_thread_join(&id_);
}

}  // namespace truefork
