// Places in shared memory, as JavaScript names them: an ArrayBuffer and
// offsets.
#pragma once

#include <napi.h>

#include <vector>

#include "base/result.h"
#include "sync/shared_lock.h"

namespace truefork {

inline char* Address(const Napi::Value& buffer, const Napi::Value& offset) {
  return static_cast<char*>(buffer.As<Napi::ArrayBuffer>().Data()) +
         offset.As<Napi::Number>().Int64Value();
}

// (buffer, offset, …)
inline LockBlock* LockBlockOf(const Napi::CallbackInfo& info) {
  return reinterpret_cast<LockBlock*>(Address(info[0], info[1]));
}

// (buffer, [offset, expected value, offset, expected value, …], …)
inline std::vector<Watched> WatchedOf(const Napi::CallbackInfo& info) {
  const auto pairs = info[1].As<Napi::Array>();
  std::vector<Watched> watched;
  for (uint32_t i = 0; i + 1 < pairs.Length(); i += 2) {
    const Napi::Value offset = pairs[i];
    const Napi::Value expected = pairs[i + 1];
    watched.push_back({reinterpret_cast<Word*>(Address(info[0], offset)),
                       expected.As<Napi::Number>().Int32Value()});
  }
  return watched;
}

}  // namespace truefork
