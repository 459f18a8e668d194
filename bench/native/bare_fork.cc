// The cost of a fork of this very process without any of our care: for the
// benchmarks only, as its child can do nothing but leave.
#include <napi.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

namespace {

using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start)
      .count();
}

// Returns [how long fork(2) took, how long until the child was reaped] in ms.
Napi::Value BareFork(const Napi::CallbackInfo& info) {
  const Clock::time_point start = Clock::now();
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  const double forked = MillisecondsSince(start);
  if (pid > 0) waitpid(pid, nullptr, 0);
  Napi::Array times = Napi::Array::New(info.Env(), 2);
  times[0U] = forked;
  times[1U] = MillisecondsSince(start);
  return times;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports["bareFork"] = Napi::Function::New<BareFork>(env);
  return exports;
}

NODE_API_MODULE(bare_fork, Init)

}  // namespace
