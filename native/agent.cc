#include "agent.h"

#include <utility>
#include <vector>

#include "agent_thread.h"
#include "change.h"
#include "loop_callback.h"
#include "result.h"
#include "shared_blocks.h"
#include "shared_semaphore.h"

namespace truefork {

void Agent::Register(Napi::Env env, Napi::Object exports) {
  exports["Agent"] = DefineClass(
      env, "Agent",
      {
          InstanceMethod<&Agent::AcquireLock>("acquireLock"),
          InstanceMethod<&Agent::AcquireSemaphore>("acquireSemaphore"),
          InstanceMethod<&Agent::AwaitChange>("awaitChange"),
          InstanceMethod<&Agent::Cancel>("cancel"),
          InstanceMethod<&Agent::Recall>("recall"),
          InstanceMethod<&Agent::Adopt>("adopt"),
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

Napi::Value Agent::Cancel(const Napi::CallbackInfo& info) {
  if (thread_ != nullptr) thread_->Cancel();
  return info.Env().Undefined();
}

Napi::Value Agent::Recall(const Napi::CallbackInfo& info) {
  const Outcome outcome = thread_->Recall();
  Rest();
  return Napi::Number::New(info.Env(), static_cast<int32_t>(outcome));
}

Napi::Value Agent::Adopt(const Napi::CallbackInfo& info) {
  bool is_listed = false;
  SharedLock(LockBlockOf(info)).Adopt(thread_->locker_id(), &is_listed);
  return Napi::Boolean::New(info.Env(), is_listed);
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
