#include "posix/wait.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include "base/elements.h"
#include "base/result.h"

namespace truefork {

namespace {

double Microseconds(const timeval& time) {
  constexpr double kPerSecond = 1e6;
  return static_cast<double>(time.tv_sec) * kPerSecond +
         static_cast<double>(time.tv_usec);
}

// wait4(pid, options, Float64Array out): out gets the wait status, then the
// numbers of struct rusage in the order below.
Napi::Value Wait4(const Napi::CallbackInfo& info) {
  const pid_t pid = Int(info, 0);
  const int options = Int(info, 1);
  const std::span<double> out = NumbersOf(info[2]);
  constexpr size_t kNumbers = 10;
  if (out.size() < kNumbers) return Napi::Number::New(info.Env(), -EFAULT);
  int status = 0;
  rusage usage{};
  const pid_t reaped =
      Retry([&] { return wait4(pid, &status, options, &usage); });
  if (reaped > 0) {
    const double numbers[kNumbers] = {
        static_cast<double>(status),
        Microseconds(usage.ru_utime),
        Microseconds(usage.ru_stime),
        static_cast<double>(usage.ru_maxrss),
        static_cast<double>(usage.ru_minflt),
        static_cast<double>(usage.ru_majflt),
        static_cast<double>(usage.ru_inblock),
        static_cast<double>(usage.ru_oublock),
        static_cast<double>(usage.ru_nvcsw),
        static_cast<double>(usage.ru_nivcsw),
    };
    size_t index = 0;
    for (const double number : numbers) out[index++] = number;
  }
  return Result(info.Env(), reaped);
}

Napi::Value PidfdOpen(const Napi::CallbackInfo& info) {
#if defined(SYS_pidfd_open)
  return Result(info.Env(), syscall(SYS_pidfd_open, Int(info, 0), 0));
#else
  errno = ENOSYS;
  return Result(info.Env(), -1);
#endif
}

Napi::Value PidfdSendSignal(const Napi::CallbackInfo& info) {
#if defined(SYS_pidfd_send_signal)
  return Result(info.Env(), syscall(SYS_pidfd_send_signal, Int(info, 0),
                                    Int(info, 1), nullptr, 0));
#else
  errno = ENOSYS;
  return Result(info.Env(), -1);
#endif
}

Napi::Value Kill(const Napi::CallbackInfo& info) {
  return Result(info.Env(), kill(Int(info, 0), Int(info, 1)));
}

}  // namespace

void RegisterWait(Napi::Env env, Napi::Object exports) {
  exports["wait4"] = Napi::Function::New<Wait4>(env, "wait4");
  exports["pidfdOpen"] = Napi::Function::New<PidfdOpen>(env, "pidfdOpen");
  exports["pidfdSendSignal"] =
      Napi::Function::New<PidfdSendSignal>(env, "pidfdSendSignal");
  exports["kill"] = Napi::Function::New<Kill>(env, "kill");
}

}  // namespace truefork
