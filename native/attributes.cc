#include "attributes.h"

#include <unistd.h>

#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include "result.h"

namespace truefork {

namespace {

Napi::Value GetPid(const Napi::CallbackInfo& info) {
  return Result(info.Env(), getpid());
}

Napi::Value GetPpid(const Napi::CallbackInfo& info) {
  return Result(info.Env(), getppid());
}

Napi::Value Exit(const Napi::CallbackInfo& info) { _exit(Int(info, 0)); }

// The signal that this process gets when its parent dies.
Napi::Value SetParentDeathSignal(const Napi::CallbackInfo& info) {
#if defined(__linux__)
  return Result(info.Env(), prctl(PR_SET_PDEATHSIG, Int(info, 0)));
#else
  errno = ENOSYS;
  return Result(info.Env(), -1);
#endif
}

}  // namespace

void RegisterAttributes(Napi::Env env, Napi::Object exports) {
  exports["getpid"] = Napi::Function::New<GetPid>(env, "getpid");
  exports["getppid"] = Napi::Function::New<GetPpid>(env, "getppid");
  exports["_exit"] = Napi::Function::New<Exit>(env, "_exit");
  exports["setParentDeathSignal"] =
      Napi::Function::New<SetParentDeathSignal>(env, "setParentDeathSignal");
}

}  // namespace truefork
