#include "posix/semaphores.h"

#include <fcntl.h>
#include <semaphore.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <string>
#include <vector>

#include "base/result.h"

namespace truefork {

namespace {

using Table = std::vector<sem_t*>;

// JavaScript knows a semaphore by its place in this table, as it knows a file
// by its descriptor: a wrong number is an error, a wrong pointer a crash.
Table& TableOfThread() {
  thread_local auto* table = new Table;
  return *table;
}

// The semaphore that the first argument stands for, or nullptr and EINVAL.
sem_t* Find(const Napi::CallbackInfo& info) {
  const auto handle = static_cast<size_t>(Int(info, 0));
  const Table& table = TableOfThread();
  sem_t* semaphore = handle < table.size() ? table[handle] : nullptr;
  if (semaphore == nullptr) errno = EINVAL;
  return semaphore;
}

int Insert(sem_t* semaphore) {
  Table& table = TableOfThread();
  const auto place = std::find(table.begin(), table.end(), nullptr);
  const auto handle = static_cast<int>(place - table.begin());
  if (place == table.end()) {
    table.push_back(semaphore);
  } else {
    *place = semaphore;
  }
  return handle;
}

template <typename Call>
Napi::Value With(const Napi::CallbackInfo& info, Call call) {
  sem_t* semaphore = Find(info);
  return Result(info.Env(), semaphore == nullptr ? -1 : call(semaphore));
}

// semOpen(name, flags, mode, value): a handle
Napi::Value Open(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>();
  const unsigned value = info[3].As<Napi::Number>().Uint32Value();
  sem_t* semaphore = SEM_FAILED;
  do {
    semaphore = sem_open(name.c_str(), Int(info, 1), Int(info, 2), value);
  } while (semaphore == SEM_FAILED && errno == EINTR);
  return Result(info.Env(), semaphore == SEM_FAILED ? -1 : Insert(semaphore));
}

Napi::Value Close(const Napi::CallbackInfo& info) {
  return With(info, [&](sem_t* semaphore) {
    TableOfThread()[Int(info, 0)] = nullptr;
    return sem_close(semaphore);
  });
}

Napi::Value Unlink(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>();
  return Result(info.Env(), sem_unlink(name.c_str()));
}

Napi::Value Post(const Napi::CallbackInfo& info) {
  return With(info, sem_post);
}

Napi::Value TryWait(const Napi::CallbackInfo& info) {
  return With(info, [](sem_t* semaphore) {
    return Retry([&] { return sem_trywait(semaphore); });
  });
}

constexpr int64_t kNsPerSecond = 1000000000;

// The time `ms` from now on the clock that sem_timedwait() goes by.
timespec After(double ms) {
  constexpr double kNsPerMs = 1e6;
  // Further away than any wait, and not too far for a time_t.
  constexpr double kMaxNs = 1e18;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const auto ns =
      now.tv_nsec + static_cast<int64_t>(std::min(ms * kNsPerMs, kMaxNs));
  return {now.tv_sec + static_cast<time_t>(ns / kNsPerSecond),
          static_cast<long>(ns % kNsPerSecond)};
}

#if defined(__APPLE__)

// There is no sem_timedwait(): look again and again, at longer intervals.
int TimedWait(sem_t* semaphore, const timespec& end) {
  constexpr long kMaxNapNs = 20000000;
  timespec nap{0, 1000000};
  for (;;) {
    if (sem_trywait(semaphore) == 0) return 0;
    if (errno != EAGAIN && errno != EINTR) return -1;
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec > end.tv_sec ||
        (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec)) {
      errno = ETIMEDOUT;
      return -1;
    }
    nanosleep(&nap, nullptr);
    nap.tv_nsec = std::min(nap.tv_nsec * 2, kMaxNapNs);
  }
}

#else

int TimedWait(sem_t* semaphore, const timespec& end) {
  return Retry([&] { return sem_timedwait(semaphore, &end); });
}

#endif

// semWait(handle, timeout): in milliseconds; Infinity: for ever
Napi::Value Wait(const Napi::CallbackInfo& info) {
  const double timeout = info[1].As<Napi::Number>();
  return With(info, [&](sem_t* semaphore) {
    if (std::isinf(timeout)) return Retry([&] { return sem_wait(semaphore); });
    return TimedWait(semaphore, After(timeout));
  });
}

Napi::Value GetValue(const Napi::CallbackInfo& info) {
#if defined(__APPLE__)
  errno = ENOSYS;
  return Result(info.Env(), -1);
#else
  return With(info, [](sem_t* semaphore) {
    int value = 0;
    const int returned = sem_getvalue(semaphore, &value);
    return returned == 0 ? value : returned;
  });
#endif
}

}  // namespace

void RegisterSemaphores(Napi::Env env, Napi::Object exports) {
  exports["semOpen"] = Napi::Function::New<Open>(env, "semOpen");
  exports["semClose"] = Napi::Function::New<Close>(env, "semClose");
  exports["semUnlink"] = Napi::Function::New<Unlink>(env, "semUnlink");
  exports["semPost"] = Napi::Function::New<Post>(env, "semPost");
  exports["semTryWait"] = Napi::Function::New<TryWait>(env, "semTryWait");
  exports["semWait"] = Napi::Function::New<Wait>(env, "semWait");
  exports["semGetValue"] = Napi::Function::New<GetValue>(env, "semGetValue");
}

}  // namespace truefork
