// A thread that waits at a lock, a semaphore, a ring or words in shared memory
// for JavaScript, whose thread goes on meanwhile. It waits as every other
// thread does, so that whoever is waited for need not know.
#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>

namespace truefork {

class WaiterThread;
class Destination;

// new WaiterThreadObject(), with a property `onend`: called with the outcome of
// each wait.
class WaiterThreadObject : public Napi::ObjectWrap<WaiterThreadObject> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);

  explicit WaiterThreadObject(const Napi::CallbackInfo& info);
  ~WaiterThreadObject() override;

 private:
  // The waits; one at a time. Each keeps the event loop alive, and what it
  // works on must stay there until it has ended.
  Napi::Value AcquireLock(const Napi::CallbackInfo& info);
  Napi::Value AcquireSemaphore(const Napi::CallbackInfo& info);
  Napi::Value AwaitChange(const Napi::CallbackInfo& info);
  Napi::Value PutRecord(const Napi::CallbackInfo& info);
  Napi::Value TakeRecord(const Napi::CallbackInfo& info);
  Napi::Value Feed(const Napi::CallbackInfo& info);
  Napi::Value JoinTasks(const Napi::CallbackInfo& info);

  // Ends the wait early. Its outcome comes nevertheless.
  Napi::Value Cancel(const Napi::CallbackInfo& info);
  // Cancels it, and waits for the outcome, which onend does not get; or returns
  // kGoesOn (agent_thread.h) at once, and it does get it.
  Napi::Value Recall(const Napi::CallbackInfo& info);
  // Blocks the thread.
  Napi::Value AwaitEnd(const Napi::CallbackInfo& info);
  // After a lock was acquired: makes it the calling thread's. Returns whether
  // the kernel knows of it.
  Napi::Value Adopt(const Napi::CallbackInfo& info);
  // The record that takeRecord() has taken.
  Napi::Value TakenRecord(const Napi::CallbackInfo& info);
  // Whether the event loop stays alive until the wait ends: it does.
  Napi::Value SetRef(const Napi::CallbackInfo& info);
  // Lets go of what it worked on, once the outcome has been made use of.
  Napi::Value ForgetWait(const Napi::CallbackInfo& info);
  // In a forked child, where the thread does not exist.
  Napi::Value Forget(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  Napi::Value Begin(Napi::Env env);
  void End();
  void Rest();
  void CloseHandle();

  static void OnEnd(uv_async_t* handle);

  std::shared_ptr<WaiterThread> thread_;
  std::shared_ptr<Destination> taken_;
  // The bytes that putRecord() puts.
  Napi::ObjectReference bytes_;
  uv_async_t* handle_ = nullptr;
};

}  // namespace truefork
