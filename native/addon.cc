// The functions and classes that JavaScript sees, in one list. lib/native/ has
// their types.
#include <napi.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/elements.h"
#include "base/result.h"
#include "fork/fork.h"
#include "fork/leave.h"
#include "fork/signals.h"
#include "io/descriptors.h"
#include "io/fd_broker.h"
#include "io/frames.h"
#include "io/look_up.h"
#include "io/poll_set.h"
#include "io/poller.h"
#include "io/sockets.h"
#include "loop/abandon.h"
#include "loop/inherited_handles.h"
#include "loop/loop_end.h"
#include "loop/lost_requests.h"
#include "loop/thread_pool.h"
#include "memory/shared_memory.h"
#include "node/node_internals.h"
#include "node/precompile.h"
#include "node/vm_timeout.h"
#include "posix/attributes.h"
#include "posix/semaphores.h"
#include "posix/spawn.h"
#include "posix/wait.h"
#include "queue/ring_object.h"
#include "sync/synchronize.h"
#include "waiter/waiter_thread_object.h"

namespace truefork {

namespace {

uv_loop_t* LoopOf(Napi::Env env) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  return loop;
}

Napi::Value Code(Napi::Env env, int code) {
  return Napi::Number::New(env, code);
}

Descriptors ToDescriptors(const Napi::Value& value) {
  const std::span<int32_t> array = IntsOf(value);
  return {array.begin(), array.end()};
}

// The symbol that this build of Node lacks, or undefined.
Napi::Value MissingSymbol(const Napi::CallbackInfo& info) {
  const char* missing = NodeInternals::Load();
  if (missing == nullptr) return info.Env().Undefined();
  return Napi::String::New(info.Env(), missing);
}

Napi::Value IsInsideVmTimeout(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), InsideVmTimeout());
}

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

// restHandles(Int32Array of the descriptors to keep)
Napi::Value RestInheritedHandles(const Napi::CallbackInfo& info) {
  return Code(info.Env(),
              RestHandles(LoopOf(info.Env()), ToDescriptors(info[0])));
}

// withAllReferenced(function)
Napi::Value CallWithAllReferenced(const Napi::CallbackInfo& info) {
  const auto function = info[0].As<Napi::Function>();
  Napi::Value returned = info.Env().Undefined();
  WithAllReferenced(LoopOf(info.Env()), [&] { returned = function.Call({}); });
  return returned;
}

// abandonStack(function to begin with, descriptors to keep, spared calls,
// whether to collect garbage)
Napi::Value Abandon(const Napi::CallbackInfo& info) {
  AbandonStack(info[0].As<Napi::Function>(), LoopOf(info.Env()),
               ToDescriptors(info[1]), Int(info, 2),
               info[3].As<Napi::Boolean>());
  return info.Env().Undefined();
}

Napi::Value PrecompileFunctions(const Napi::CallbackInfo& info) {
  Precompile(info[0].As<Napi::Array>());
  return info.Env().Undefined();
}

Napi::Value TellExitCode(const Napi::CallbackInfo& info) {
  SetExitCode(Int(info, 0));
  return info.Env().Undefined();
}

Napi::Value LoopEnds(const Napi::CallbackInfo& info) {
  AtLoopEnd(LoopOf(info.Env()), info[0]);
  return info.Env().Undefined();
}

Napi::Value IsLoopEnding(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), IsAtLoopEnd());
}

Napi::Value ResetSignals(const Napi::CallbackInfo& info) {
  ResetNodeSignals();
  return info.Env().Undefined();
}

Napi::Value ActiveRequests(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), LoopOf(info.Env())->active_reqs.count);
}

// finishedOpens(path) -> the descriptors
Napi::Value Opens(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const std::vector<int> fds = FinishedOpens(LoopOf(info.Env()), path);
  auto array = Napi::Int32Array::New(info.Env(), fds.size());
  std::copy(fds.begin(), fds.end(), array.Data());
  return array;
}

Napi::Value StartPool(const Napi::CallbackInfo& info) {
  return Code(info.Env(), StartThreadPool(LoopOf(info.Env())));
}

// Whether a handle of the event loop uses this descriptor.
Napi::Value HasHandle(const Napi::CallbackInfo& info) {
  struct Search {
    int fd;
    bool found;
  } search{Int(info, 0), false};
  uv_walk(
      LoopOf(info.Env()),
      [](uv_handle_t* handle, void* argument) {
        auto* search = static_cast<Search*>(argument);
        uv_os_fd_t fd = -1;
        if (uv_fileno(handle, &fd) == 0 && fd == search->fd)
          search->found = true;
      },
      &search);
  return Napi::Boolean::New(info.Env(), search.found);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  using Napi::Function;
  exports["missingSymbol"] = Function::New<MissingSymbol>(env);
  exports["isInsideVmTimeout"] = Function::New<IsInsideVmTimeout>(env);
  exports["isSignalCaught"] = Function::New<IsSignalCaught>(env);
  exports["fork"] = Function::New<ForkProcess>(env);
  exports["giveUpFork"] = Function::New<CancelFork>(env);
  exports["restHandles"] = Function::New<RestInheritedHandles>(env);
  exports["withAllReferenced"] = Function::New<CallWithAllReferenced>(env);
  exports["abandonStack"] = Function::New<Abandon>(env);
  exports["precompile"] = Function::New<PrecompileFunctions>(env);
  exports["setExitCode"] = Function::New<TellExitCode>(env);
  exports["atLoopEnd"] = Function::New<LoopEnds>(env);
  exports["isAtLoopEnd"] = Function::New<IsLoopEnding>(env);
  exports["resetSignals"] = Function::New<ResetSignals>(env);
  exports["activeRequests"] = Function::New<ActiveRequests>(env);
  exports["finishedOpens"] = Function::New<Opens>(env);
  exports["startThreadPool"] = Function::New<StartPool>(env);
  exports["hasHandle"] = Function::New<HasHandle>(env);
  RegisterAttributes(env, exports);
  RegisterDescriptors(env, exports);
  RegisterFrames(env, exports);
  RegisterLookUp(env, exports);
  RegisterPollSet(env, exports);
  RegisterSemaphores(env, exports);
  RegisterSharedMemory(env, exports);
  RegisterFdBroker(env, exports);
  RegisterSockets(env, exports);
  RegisterWait(env, exports);
  RegisterSpawn(env, exports);
  RegisterSynchronize(env, exports);
  WaiterThreadObject::Register(env, exports);
  Poller::Register(env, exports);
  RingObject::Register(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(truefork, Init)

}  // namespace truefork
