#include "loop/loop_functions.h"

#include <napi.h>
#include <uv.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/elements.h"
#include "base/loop_callback.h"
#include "base/result.h"
#include "loop/abandon.h"
#include "loop/inherited_handles.h"
#include "loop/loop_end.h"
#include "loop/lost_requests.h"
#include "loop/thread_pool.h"

namespace truefork {

namespace {

Descriptors ToDescriptors(const Napi::Value& value) {
  const std::span<int32_t> array = IntsOf(value);
  return {array.begin(), array.end()};
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

Napi::Value LoopEnds(const Napi::CallbackInfo& info) {
  AtLoopEnd(LoopOf(info.Env()), info[0]);
  return info.Env().Undefined();
}

Napi::Value IsLoopEnding(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), IsAtLoopEnd());
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

}  // namespace

void RegisterLoopFunctions(Napi::Env env, Napi::Object exports) {
  using Napi::Function;
  exports["restHandles"] = Function::New<RestInheritedHandles>(env);
  exports["withAllReferenced"] = Function::New<CallWithAllReferenced>(env);
  exports["abandonStack"] = Function::New<Abandon>(env);
  exports["atLoopEnd"] = Function::New<LoopEnds>(env);
  exports["isAtLoopEnd"] = Function::New<IsLoopEnding>(env);
  exports["activeRequests"] = Function::New<ActiveRequests>(env);
  exports["finishedOpens"] = Function::New<Opens>(env);
  exports["startThreadPool"] = Function::New<StartPool>(env);
  exports["hasHandle"] = Function::New<HasHandle>(env);
}

}  // namespace truefork
