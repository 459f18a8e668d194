// The elements of typed arrays, for native code. Subclasses, getters and
// resizable buffers can say that an array is longer than it is: so nothing else
// asks for a length. The memory belongs to JavaScript: use it during the call
// only.
#pragma once

#include <napi.h>

#include <cerrno>
#include <cstdint>
#include <span>

namespace truefork {

// The elements that are there; none if it is no such array, or has no buffer
// any more.
template <typename Element, napi_typedarray_type kType>
std::span<Element> ElementsOf(const Napi::Value& value) {
  napi_typedarray_type type{};
  size_t length = 0;
  void* data = nullptr;
  const bool is_array =
      napi_get_typedarray_info(value.Env(), value, &type, &length, &data,
                               nullptr, nullptr) == napi_ok;
  if (!is_array || type != kType || data == nullptr) return {};
  return {static_cast<Element*>(data), length};
}

using Bytes = std::span<uint8_t>;

// The bytes of a Buffer or any other Uint8Array.
inline Bytes BytesOf(const Napi::Value& value) {
  return ElementsOf<uint8_t, napi_uint8_array>(value);
}

inline std::span<int32_t> IntsOf(const Napi::Value& value) {
  return ElementsOf<int32_t, napi_int32_array>(value);
}

inline std::span<double> NumbersOf(const Napi::Value& value) {
  return ElementsOf<double, napi_float64_array>(value);
}

// `length` of the bytes from `offset` on; false and EFAULT if there are not so
// many.
inline bool PartOf(Bytes bytes, const Napi::Value& offset,
                   const Napi::Value& length, Bytes* part) {
  const int64_t begin = offset.As<Napi::Number>().Int64Value();
  const int64_t size = length.As<Napi::Number>().Int64Value();
  const auto most = static_cast<int64_t>(bytes.size());
  errno = EFAULT;
  if (begin < 0 || size < 0 || begin > most || size > most - begin)
    return false;
  *part = bytes.subspan(static_cast<size_t>(begin), static_cast<size_t>(size));
  return true;
}

}  // namespace truefork
