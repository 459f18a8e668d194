#include "agent/agent.h"

#include <utility>
#include <vector>

#include "agent/agent_thread.h"
#include "base/elements.h"
#include "base/loop_callback.h"
#include "base/result.h"
#include "queue/ring_object.h"
#include "sync/change.h"
#include "sync/shared_blocks.h"
#include "sync/shared_semaphore.h"

namespace truefork {

namespace {

Moment MomentOf(const Napi::Value& timeout) {
  return Moment::In(timeout.As<Napi::Number>().DoubleValue());
}

}  // namespace

void Agent::Register(Napi::Env env, Napi::Object exports) {
  exports["Agent"] = DefineClass(
      env, "Agent",
      {
          InstanceMethod<&Agent::AcquireLock>("acquireLock"),
          InstanceMethod<&Agent::AcquireSemaphore>("acquireSemaphore"),
          InstanceMethod<&Agent::AwaitChange>("awaitChange"),
          InstanceMethod<&Agent::PutRecord>("putRecord"),
          InstanceMethod<&Agent::TakeRecord>("takeRecord"),
          InstanceMethod<&Agent::Feed>("feed"),
          InstanceMethod<&Agent::JoinTasks>("joinTasks"),
          InstanceMethod<&Agent::TakenRecord>("takenRecord"),
          InstanceMethod<&Agent::SetRef>("setRef"),
          InstanceMethod<&Agent::AwaitEnd>("awaitEnd"),
          InstanceMethod<&Agent::Cancel>("cancel"),
          InstanceMethod<&Agent::Recall>("recall"),
          InstanceMethod<&Agent::Adopt>("adopt"),
          InstanceMethod<&Agent::ForgetErrand>("forgetErrand"),
          InstanceMethod<&Agent::Forget>("forget"),
          InstanceMethod<&Agent::Close>("close"),
      });
}

Agent::Agent(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Agent>(info) {}

Agent::~Agent() { End(); }

Napi::Value Agent::AcquireLock(const Napi::CallbackInfo& info) {
  SharedLock lock(LockBlockOf(info));
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  thread_->Send([lock](const Patience& patience) mutable {
    return lock.AcquireForAnother(patience);
  });
  return error;
}

Napi::Value Agent::AcquireSemaphore(const Napi::CallbackInfo& info) {
  LockBlock* block = LockBlockOf(info);
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  thread_->Send([block](const Patience& patience) {
    return truefork::AcquireSemaphore(block, patience);
  });
  return error;
}

Napi::Value Agent::AwaitChange(const Napi::CallbackInfo& info) {
  std::vector<Watched> watched = WatchedOf(info);
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  thread_->Send([watched = std::move(watched)](const Patience& patience) {
    return truefork::AwaitChange(watched, patience);
  });
  return error;
}

// (ring, kind, bytes, which nobody may change meanwhile, milliseconds)
Napi::Value Agent::PutRecord(const Napi::CallbackInfo& info) {
  std::shared_ptr<RingBlock> ring = RingObject::BlockOf(info[0]);
  const Bytes bytes = BytesOf(info[2]);
  const Record record{static_cast<uint8_t>(Int(info, 1)), bytes.data(),
                      bytes.size()};
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  bytes_ = Napi::Persistent(info[2].As<Napi::Object>());
  const Moment until = MomentOf(info[3]);
  thread_->Send([ring = std::move(ring), record, until](Patience patience) {
    patience.until = until;
    return Ring(ring.get()).Put(record, patience);
  });
  return error;
}

// (ring, milliseconds)
Napi::Value Agent::TakeRecord(const Napi::CallbackInfo& info) {
  std::shared_ptr<RingBlock> ring = RingObject::BlockOf(info[0]);
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  taken_ = std::make_shared<Destination>();
  taken_->CountIn(RingObject::CounterOf(info[0]));
  const Moment until = MomentOf(info[1]);
  thread_->Send(
      [ring = std::move(ring), taken = taken_, until](Patience patience) {
        patience.until = until;
        return Ring(ring.get()).Take(taken.get(), patience);
      });
  return error;
}

// (ring): what waits for room in it
Napi::Value Agent::Feed(const Napi::CallbackInfo& info) {
  std::shared_ptr<RingBlock> ring = RingObject::BlockOf(info[0]);
  std::shared_ptr<Backlog> backlog = RingObject::BacklogOf(info[0]);
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  thread_->Send([ring = std::move(ring),
                 backlog = std::move(backlog)](const Patience& patience) {
    return backlog->Feed(Ring(ring.get()), patience);
  });
  return error;
}

// (ring): until its tasks are done, or lost; look at that then
Napi::Value Agent::JoinTasks(const Napi::CallbackInfo& info) {
  std::shared_ptr<RingBlock> ring = RingObject::BlockOf(info[0]);
  const Napi::Value error = Begin(info.Env());
  if (thread_ == nullptr) return error;
  thread_->Send([ring = std::move(ring)](const Patience& patience) {
    return Tasks(ring.get()).AwaitEnd(patience);
  });
  return error;
}

Napi::Value Agent::TakenRecord(const Napi::CallbackInfo& info) {
  return BufferOf(info.Env(), taken_.get());
}

// (whether the event loop stays alive until the end of the errand)
Napi::Value Agent::SetRef(const Napi::CallbackInfo& info) {
  auto* handle = reinterpret_cast<uv_handle_t*>(handle_);
  if (handle == nullptr) return info.Env().Undefined();
  if (info[0].As<Napi::Boolean>()) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
  return info.Env().Undefined();
}

// (milliseconds): whether the errand has ended
Napi::Value Agent::AwaitEnd(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), thread_->AwaitEnd(MomentOf(info[0])));
}

Napi::Value Agent::Cancel(const Napi::CallbackInfo& info) {
  if (thread_ != nullptr) thread_->Cancel();
  return info.Env().Undefined();
}

Napi::Value Agent::Recall(const Napi::CallbackInfo& info) {
  const Outcome outcome = thread_->Recall();
  if (outcome != kGoesOn) Rest();
  return Napi::Number::New(info.Env(), static_cast<int32_t>(outcome));
}

Napi::Value Agent::Adopt(const Napi::CallbackInfo& info) {
  bool is_listed = false;
  SharedLock(LockBlockOf(info)).Adopt(thread_->locker_id(), &is_listed);
  return Napi::Boolean::New(info.Env(), is_listed);
}

Napi::Value Agent::ForgetErrand(const Napi::CallbackInfo& info) {
  taken_.reset();
  if (thread_ != nullptr) thread_->ForgetErrand();
  return info.Env().Undefined();
}

Napi::Value Agent::Forget(const Napi::CallbackInfo& info) {
  // Nobody will ever set its members free: the thread did that.
  thread_.reset();
  CloseHandle();
  return info.Env().Undefined();
}

Napi::Value Agent::Close(const Napi::CallbackInfo& info) {
  End();
  return info.Env().Undefined();
}

// Returns 0 or a negative errno; then there is no thread.
Napi::Value Agent::Begin(Napi::Env env) {
  if (thread_ == nullptr) {
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env, &loop);
    handle_ = new uv_async_t;
    uv_async_init(loop, handle_, OnEnd);
    handle_->data = this;
    auto thread = std::make_shared<AgentThread>();
    const int error = AgentThread::Start(thread, handle_);
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

void Agent::OnEnd(uv_async_t* handle) {
  auto* agent = static_cast<Agent*>(handle->data);
  const std::shared_ptr<AgentThread> thread = agent->thread_;
  if (thread == nullptr || !thread->TakeNotice()) return;
  const Napi::HandleScope scope(agent->Env());
  const Napi::Object self = agent->Value();
  napi_value onend = nullptr;
  if (napi_get_named_property(agent->Env(), self, "onend", &onend) != napi_ok)
    return;  // Node ends
  agent->Rest();
  const auto outcome = static_cast<int32_t>(thread->outcome());
  CallFromLoop(Napi::Function(agent->Env(), onend), self,
               {Napi::Number::New(agent->Env(), outcome)});
}

void Agent::Rest() {
  bytes_.Reset();
  uv_unref(reinterpret_cast<uv_handle_t*>(handle_));
  Unref();
}

void Agent::End() {
  if (thread_ != nullptr) thread_->Stop();
  thread_.reset();
  CloseHandle();
}

void Agent::CloseHandle() {
  if (handle_ == nullptr) return;
  uv_close(reinterpret_cast<uv_handle_t*>(handle_), [](uv_handle_t* handle) {
    delete reinterpret_cast<uv_async_t*>(handle);
  });
  handle_ = nullptr;
}

}  // namespace truefork
