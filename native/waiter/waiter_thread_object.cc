#include "waiter/waiter_thread_object.h"

#include <utility>
#include <vector>

#include "base/elements.h"
#include "base/loop_callback.h"
#include "base/result.h"
#include "queue/ring_object.h"
#include "sync/change.h"
#include "sync/shared_blocks.h"
#include "sync/shared_semaphore.h"
#include "waiter/waiter_thread.h"

namespace truefork {

namespace {

Deadline DeadlineOf(const Napi::Value& timeout) {
  return Deadline::In(timeout.As<Napi::Number>().DoubleValue());
}

}  // namespace

void WaiterThreadObject::Register(Napi::Env env, Napi::Object exports) {
  exports["WaiterThread"] = DefineClass(
      env, "WaiterThread",
      {
          InstanceMethod<&WaiterThreadObject::AcquireLock>("acquireLock"),
          InstanceMethod<&WaiterThreadObject::AcquireSemaphore>(
              "acquireSemaphore"),
          InstanceMethod<&WaiterThreadObject::AwaitChange>("awaitChange"),
          InstanceMethod<&WaiterThreadObject::PutRecord>("putRecord"),
          InstanceMethod<&WaiterThreadObject::TakeRecord>("takeRecord"),
          InstanceMethod<&WaiterThreadObject::Feed>("feed"),
          InstanceMethod<&WaiterThreadObject::JoinTasks>("joinTasks"),
          InstanceMethod<&WaiterThreadObject::TakenRecord>("takenRecord"),
          InstanceMethod<&WaiterThreadObject::SetRef>("setRef"),
          InstanceMethod<&WaiterThreadObject::AwaitEnd>("awaitEnd"),
          InstanceMethod<&WaiterThreadObject::Cancel>("cancel"),
          InstanceMethod<&WaiterThreadObject::Recall>("recall"),
          InstanceMethod<&WaiterThreadObject::Adopt>("adopt"),
          InstanceMethod<&WaiterThreadObject::ForgetWait>("forgetWait"),
          InstanceMethod<&WaiterThreadObject::Forget>("forget"),
          InstanceMethod<&WaiterThreadObject::Close>("close"),
      });
}

WaiterThreadObject::WaiterThreadObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<WaiterThreadObject>(info) {}

WaiterThreadObject::~WaiterThreadObject() { End(); }

Napi::Value WaiterThreadObject::AcquireLock(const Napi::CallbackInfo& info) {
  SharedLock lock(LockBlockOf(info));
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  thread_->Send([lock](const WaitLimit& limit) mutable {
    return lock.AcquireForAnother(limit);
  });
  return error;
}

Napi::Value WaiterThreadObject::AcquireSemaphore(
    const Napi::CallbackInfo& info) {
  LockBlock* block = LockBlockOf(info);
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  thread_->Send([block](const WaitLimit& limit) {
    return truefork::AcquireSemaphore(block, limit);
  });
  return error;
}

Napi::Value WaiterThreadObject::AwaitChange(const Napi::CallbackInfo& info) {
  std::vector<Watched> watched = WatchedOf(info);
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  thread_->Send([watched = std::move(watched)](const WaitLimit& limit) {
    return truefork::AwaitChange(watched, limit);
  });
  return error;
}

// (ring, kind, bytes, which nobody may change meanwhile, milliseconds)
Napi::Value WaiterThreadObject::PutRecord(const Napi::CallbackInfo& info) {
  std::shared_ptr<RingBlock> ring = RingObject::BlockOf(info[0]);
  const Bytes bytes = BytesOf(info[2]);
  const Record record{static_cast<uint8_t>(Int(info, 1)), bytes.data(),
                      bytes.size()};
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  bytes_ = Napi::Persistent(info[2].As<Napi::Object>());
  const Deadline until = DeadlineOf(info[3]);
  thread_->Send([ring = std::move(ring), record, until](WaitLimit limit) {
    limit.until = until;
    return Ring(ring.get()).Put(record, limit);
  });
  return error;
}

// (ring, milliseconds)
Napi::Value WaiterThreadObject::TakeRecord(const Napi::CallbackInfo& info) {
  std::shared_ptr<RingBlock> ring = RingObject::BlockOf(info[0]);
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  taken_ = std::make_shared<Destination>();
  taken_->CountIn(RingObject::CounterOf(info[0]));
  const Deadline until = DeadlineOf(info[1]);
  thread_->Send(
      [ring = std::move(ring), taken = taken_, until](WaitLimit limit) {
        limit.until = until;
        return Ring(ring.get()).Take(taken.get(), limit);
      });
  return error;
}

// (ring): what waits for room in it
Napi::Value WaiterThreadObject::Feed(const Napi::CallbackInfo& info) {
  std::shared_ptr<RingBlock> ring = RingObject::BlockOf(info[0]);
  std::shared_ptr<Backlog> backlog = RingObject::BacklogOf(info[0]);
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  thread_->Send([ring = std::move(ring),
                 backlog = std::move(backlog)](const WaitLimit& limit) {
    return backlog->Feed(Ring(ring.get()), limit);
  });
  return error;
}

// (ring): until its tasks are done, or lost; look at that then
Napi::Value WaiterThreadObject::JoinTasks(const Napi::CallbackInfo& info) {
  std::shared_ptr<RingBlock> ring = RingObject::BlockOf(info[0]);
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  thread_->Send([ring = std::move(ring)](const WaitLimit& limit) {
    return Tasks(ring.get()).AwaitEnd(limit);
  });
  return error;
}

Napi::Value WaiterThreadObject::TakenRecord(const Napi::CallbackInfo& info) {
  return BufferOf(info.Env(), taken_.get());
}

// (whether the event loop stays alive until the end of the wait)
Napi::Value WaiterThreadObject::SetRef(const Napi::CallbackInfo& info) {
  auto* handle = reinterpret_cast<uv_handle_t*>(handle_);
  if (handle == nullptr) return info.Env().Undefined();
  if (info[0].As<Napi::Boolean>()) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
  return info.Env().Undefined();
}

// (milliseconds): whether the wait has ended
Napi::Value WaiterThreadObject::AwaitEnd(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), thread_->AwaitEnd(DeadlineOf(info[0])));
}

Napi::Value WaiterThreadObject::Cancel(const Napi::CallbackInfo& info) {
  if (thread_ != nullptr) thread_->Cancel();
  return info.Env().Undefined();
}

Napi::Value WaiterThreadObject::Recall(const Napi::CallbackInfo& info) {
  const Outcome outcome = thread_->Recall();
  if (outcome != kGoesOn) Rest();
  return Napi::Number::New(info.Env(), static_cast<int32_t>(outcome));
}

Napi::Value WaiterThreadObject::Adopt(const Napi::CallbackInfo& info) {
  bool is_listed = false;
  SharedLock(LockBlockOf(info)).Adopt(thread_->locker_id(), &is_listed);
  return Napi::Boolean::New(info.Env(), is_listed);
}

Napi::Value WaiterThreadObject::ForgetWait(const Napi::CallbackInfo& info) {
  taken_.reset();
  if (thread_ != nullptr) thread_->ForgetWait();
  return info.Env().Undefined();
}

Napi::Value WaiterThreadObject::Forget(const Napi::CallbackInfo& info) {
  // Nobody will ever set its members free: the thread did that.
  thread_.reset();
  CloseHandle();
  return info.Env().Undefined();
}

Napi::Value WaiterThreadObject::Close(const Napi::CallbackInfo& info) {
  End();
  return info.Env().Undefined();
}

// Returns 0 or a negative errno; then there is no thread.
Napi::Value WaiterThreadObject::Begin(Napi::Env env) {
  if (thread_ == nullptr) {
    handle_ = new uv_async_t;
    uv_async_init(LoopOf(env), handle_, OnEnd);
    handle_->data = this;
    auto thread = std::make_shared<WaiterThread>();
    const int error = WaiterThread::Start(thread, handle_);
    if (error != 0) {
      CloseHandle();
      return Napi::Number::New(env, error);
    }
    thread_ = std::move(thread);
  }
  Ref();
  uv_ref(reinterpret_cast<uv_handle_t*>(handle_));
  return Napi::Number::New(env, 0);
}

void WaiterThreadObject::OnEnd(uv_async_t* handle) {
  auto* object = static_cast<WaiterThreadObject*>(handle->data);
  const std::shared_ptr<WaiterThread> thread = object->thread_;
  if (thread == nullptr || !thread->TakeNotice()) return;
  const Napi::HandleScope scope(object->Env());
  const Napi::Object self = object->Value();
  napi_value onend = nullptr;
  if (napi_get_named_property(object->Env(), self, "onend", &onend) != napi_ok)
    return;  // Node ends
  object->Rest();
  const auto outcome = static_cast<int32_t>(thread->outcome());
  CallFromLoop(Napi::Function(object->Env(), onend), self,
               {Napi::Number::New(object->Env(), outcome)});
}

void WaiterThreadObject::Rest() {
  bytes_.Reset();
  uv_unref(reinterpret_cast<uv_handle_t*>(handle_));
  Unref();
}

void WaiterThreadObject::End() {
  if (thread_ != nullptr) thread_->Stop();
  thread_.reset();
  CloseHandle();
}

void WaiterThreadObject::CloseHandle() {
  if (handle_ == nullptr) return;
  uv_close(reinterpret_cast<uv_handle_t*>(handle_), [](uv_handle_t* handle) {
    delete reinterpret_cast<uv_async_t*>(handle);
  });
  handle_ = nullptr;
}

}  // namespace truefork
