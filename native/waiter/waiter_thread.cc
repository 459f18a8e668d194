#include "waiter/waiter_thread.h"

#include <climits>
#include <utility>

namespace truefork {

int WaiterThread::Start(const std::shared_ptr<WaiterThread>& thread,
                        uv_async_t* when_done) {
  constexpr size_t kStackSize = size_t{128} * 1024;
  uv_thread_options_t options{};
  options.flags = UV_THREAD_HAS_STACK_SIZE;
  options.stack_size = kStackSize;
  thread->when_done_ = when_done;
  auto* shared = new std::shared_ptr<WaiterThread>(thread);
  const int error = uv_thread_create_ex(&thread->id_, &options, Run, shared);
  if (error != 0) delete shared;
  return error;
}

void WaiterThread::Run(void* argument) {
  auto* shared = static_cast<std::shared_ptr<WaiterThread>*>(argument);
  const std::shared_ptr<WaiterThread> self = std::move(*shared);
  delete shared;
  self->locker_id_ = LockerId();
  self->list_ = RobustList::OfThisThread();
  while (self->AwaitWork()) {
    self->outcome_ =
        self->wait_(WaitLimit{Deadline::Never(), &self->cancelled_});
    int32_t busy = kBusy;
    if (!self->state_.compare_exchange_strong(busy, kDone)) return;
    Wake(&self->state_, 1);
    self->TellLoop();
  }
}

bool WaiterThread::AwaitWork() {
  for (;;) {
    const int32_t state = state_.load();
    if (state == kBusy) return true;
    if (state == kStopping) return false;
    const Watched watched{&state_, state};
    Sleep(&watched, 1, Deadline::Never());
  }
}

void WaiterThread::TellLoop() {
  const std::lock_guard<std::mutex> lock(handle_lock_);
  if (when_done_ != nullptr) uv_async_send(when_done_);
}

void WaiterThread::Become(State state) {
  state_.store(state);
  Wake(&state_, 1);
}

void WaiterThread::Send(PendingWait wait) {
  wait_ = std::move(wait);
  cancelled_.store(WaitLimit::kWaiting);
  Become(kBusy);
}

void WaiterThread::Cancel() {
  int32_t waiting = WaitLimit::kWaiting;
  const bool is_in_time =
      cancelled_.compare_exchange_strong(waiting, WaitLimit::kCancelled);
  if (is_in_time) Wake(&cancelled_, 1);
}

Outcome WaiterThread::Recall() {
  Cancel();
  const bool goes_on = cancelled_.load() == WaitLimit::kCommitted;
  if (!AwaitEnd(goes_on ? Deadline::In(0) : Deadline::Never())) return kGoesOn;
  TakeNotice();
  return outcome_;
}

bool WaiterThread::AwaitEnd(const Deadline& until) {
  while (state_.load() == kBusy) {
    if (until.IsOver()) return false;
    const Watched watched{&state_, kBusy};
    Sleep(&watched, 1, until);
  }
  return true;
}

bool WaiterThread::TakeNotice() {
  int32_t done = kDone;
  return state_.compare_exchange_strong(done, kResting);
}

void WaiterThread::ForgetWait() {
  wait_ = nullptr;
  if (list_.has_value()) list_->End();
}

void WaiterThread::Stop() {
  {
    const std::lock_guard<std::mutex> lock(handle_lock_);
    when_done_ = nullptr;
  }
  Become(kStopping);
  cancelled_.store(WaitLimit::kAbandoned);
  Wake(&cancelled_, 1);
  uv_thread_join(&id_);
}

}  // namespace truefork
