#include "posix/attributes.h"

#include <unistd.h>

#include <cstdlib>

#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/random.h>
#endif

#include "base/elements.h"
#include "base/result.h"

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

Napi::Value ParentDeathSignal(const Napi::CallbackInfo& info) {
  int signal = 0;
#if defined(__linux__)
  if (prctl(PR_GET_PDEATHSIG, &signal) != 0) return Result(info.Env(), -1);
#endif
  return Napi::Number::New(info.Env(), signal);
}

// getrandom(bytes): fills all of them.
Napi::Value GetRandom(const Napi::CallbackInfo& info) {
  const Bytes bytes = BytesOf(info[0]);
#if defined(__linux__)
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t count = Retry(
        [&] { return getrandom(bytes.data() + done, bytes.size() - done, 0); });
    if (count < 0) return Result(info.Env(), count);
    done += count;
  }
#else
  arc4random_buf(bytes.data(), bytes.size());
#endif
  return Result(info.Env(), 0);
}

}  // namespace

void RegisterAttributes(Napi::Env env, Napi::Object exports) {
  exports["getpid"] = Napi::Function::New<GetPid>(env, "getpid");
  exports["getppid"] = Napi::Function::New<GetPpid>(env, "getppid");
  exports["_exit"] = Napi::Function::New<Exit>(env, "_exit");
  exports["getrandom"] = Napi::Function::New<GetRandom>(env, "getrandom");
  exports["parentDeathSignal"] = Napi::Function::New<ParentDeathSignal>(env);
  exports["setParentDeathSignal"] =
      Napi::Function::New<SetParentDeathSignal>(env, "setParentDeathSignal");
}

}  // namespace truefork
