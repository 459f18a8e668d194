// How native functions answer: with the number that the system call gave, or
// with its errno as a negative number. They throw nothing; lib/common/errors.ts
// makes errors of the negative ones.
#pragma once

#include <napi.h>

#include <cerrno>

namespace truefork {

// `returned` as it came from a system call: -1 means "look at errno".
inline Napi::Value Result(Napi::Env env, int64_t returned) {
  const auto number = returned < 0 ? -errno : returned;
  return Napi::Number::New(env, static_cast<double>(number));
}

// A number that needs no errno.
inline Napi::Value Code(Napi::Env env, int code) {
  return Napi::Number::New(env, code);
}

inline int32_t Int(const Napi::CallbackInfo& info, size_t index) {
  return info[index].As<Napi::Number>().Int32Value();
}

// Repeats a system call that a signal interrupted.
template <typename Call>
auto Retry(Call call) {
  auto returned = call();
  while (returned == -1 && errno == EINTR) returned = call();
  return returned;
}

}  // namespace truefork
