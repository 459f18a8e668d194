#include "sync/synchronize.h"

#include <unistd.h>

#include "sync/change.h"
#include "sync/shared_blocks.h"
#include "sync/shared_semaphore.h"

namespace truefork {

namespace {

Napi::Value Give(const Napi::CallbackInfo& info, Outcome outcome) {
  return Napi::Number::New(info.Env(), static_cast<int32_t>(outcome));
}

// (…, milliseconds or Infinity)
WaitLimit LimitOf(const Napi::Value& timeout) {
  return {Deadline::In(timeout.As<Napi::Number>().DoubleValue()), nullptr};
}

Napi::Value GetLockerId(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), LockerId());
}

Napi::Value GetRobustWordOffset(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(RobustWordOffset()));
}

// The memory of the thread's RobustHead, for JavaScript to change as
// RobustList does.
Napi::Value GetRobustHead(const Napi::CallbackInfo& info) {
  RobustHead* head = RobustList::OfThisThread().head();
  return Napi::ArrayBuffer::New(info.Env(), head, sizeof *head);
}

Napi::Value IsRobustListRefused(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(),
                            RobustList::OfThisThread().is_refused());
}

Napi::Value RenewRobustList(const Napi::CallbackInfo& info) {
  RobustList::Renew();
  return info.Env().Undefined();
}

Napi::Value AddressOf(const Napi::CallbackInfo& info) {
  const auto address =
      reinterpret_cast<uintptr_t>(info[0].As<Napi::ArrayBuffer>().Data());
  return Napi::Number::New(info.Env(), static_cast<double>(address));
}

// acquireLock(buffer, offset, milliseconds): the outcome and, if the kernel
// knows of it, kIsListed.
Napi::Value AcquireLock(const Napi::CallbackInfo& info) {
  constexpr int32_t kIsListed = 16;
  bool is_listed = false;
  const Outcome outcome =
      SharedLock(LockBlockOf(info)).Acquire(LimitOf(info[2]), &is_listed);
  return Napi::Number::New(
      info.Env(), static_cast<int32_t>(outcome) | (is_listed ? kIsListed : 0));
}

// releaseLock(buffer, offset, whether the kernel knows of it, whether it is to
// be as the dead left it)
Napi::Value ReleaseLock(const Napi::CallbackInfo& info) {
  SharedLock(LockBlockOf(info))
      .Release(info[2].As<Napi::Boolean>(), info[3].As<Napi::Boolean>());
  return info.Env().Undefined();
}

Napi::Value UnlistLock(const Napi::CallbackInfo& info) {
  SharedLock(LockBlockOf(info)).Unlist();
  return info.Env().Undefined();
}

Napi::Value ReleaseLockOfAnother(const Napi::CallbackInfo& info) {
  const bool was_held = SharedLock(LockBlockOf(info)).ReleaseOfAnother();
  return Napi::Boolean::New(info.Env(), was_held);
}

// acquireSemaphore(buffer, offset, milliseconds)
Napi::Value TakePermit(const Napi::CallbackInfo& info) {
  return Give(info, AcquireSemaphore(LockBlockOf(info), LimitOf(info[2])));
}

// sleep(buffer, [offset, expected, …], milliseconds)
Napi::Value SleepOnWords(const Napi::CallbackInfo& info) {
  AwaitChange(WatchedOf(info), LimitOf(info[2]));
  return info.Env().Undefined();
}

// wake(buffer, offset, most)
Napi::Value WakeSleepers(const Napi::CallbackInfo& info) {
  auto* word = reinterpret_cast<Word*>(Address(info[0], info[1]));
  return Napi::Number::New(info.Env(), Wake(word, Int(info, 2)));
}

}  // namespace

void RegisterSynchronize(Napi::Env env, Napi::Object exports) {
  using Napi::Function;
  exports["lockerId"] = Function::New<GetLockerId>(env);
  exports["robustWordOffset"] = Function::New<GetRobustWordOffset>(env);
  exports["robustHead"] = Function::New<GetRobustHead>(env);
  exports["isRobustListRefused"] = Function::New<IsRobustListRefused>(env);
  exports["renewRobustList"] = Function::New<RenewRobustList>(env);
  exports["addressOf"] = Function::New<AddressOf>(env);
  exports["acquireLock"] = Function::New<AcquireLock>(env);
  exports["releaseLock"] = Function::New<ReleaseLock>(env);
  exports["unlistLock"] = Function::New<UnlistLock>(env);
  exports["releaseLockOfAnother"] = Function::New<ReleaseLockOfAnother>(env);
  exports["acquireSemaphore"] = Function::New<TakePermit>(env);
  exports["sleep"] = Function::New<SleepOnWords>(env);
  exports["wake"] = Function::New<WakeSleepers>(env);
}

}  // namespace truefork
