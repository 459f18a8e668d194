#include "fork/fork_functions.h"

#include <napi.h>

#include "base/loop_callback.h"
#include "base/result.h"
#include "fork/fork.h"
#include "fork/leave.h"
#include "fork/signals.h"

namespace truefork {

namespace {

Napi::Value IsSignalCaught(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), IsCaught(Int(info, 0)));
}

// fork(report descriptor, loop goes on in the child, number of Workers)
Napi::Value ForkProcess(const Napi::CallbackInfo& info) {
  const bool goes_on = info[1].As<Napi::Boolean>();
  const ForkOptions options{
      Int(info, 0), goes_on ? LoopInChild::kGoesOn : LoopInChild::kStartsAfresh,
      Int(info, 2)};
  return Code(info.Env(), Fork(info.Env(), LoopOf(info.Env()), options));
}

// Returns the thread that did not come to rest, or 0 if it was one of V8's.
Napi::Value CancelFork(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), GiveUpFork());
}

Napi::Value ResetSignals(const Napi::CallbackInfo& info) {
  ResetNodeSignals();
  return info.Env().Undefined();
}

Napi::Value TellExitCode(const Napi::CallbackInfo& info) {
  SetExitCode(Int(info, 0));
  return info.Env().Undefined();
}

}  // namespace

void RegisterForkFunctions(Napi::Env env, Napi::Object exports) {
  using Napi::Function;
  exports["isSignalCaught"] = Function::New<IsSignalCaught>(env);
  exports["fork"] = Function::New<ForkProcess>(env);
  exports["giveUpFork"] = Function::New<CancelFork>(env);
  exports["resetSignals"] = Function::New<ResetSignals>(env);
  exports["setExitCode"] = Function::New<TellExitCode>(env);
}

}  // namespace truefork
