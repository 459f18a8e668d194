#include "base/stack.h"

#include <pthread.h>

#include <cstddef>

namespace truefork {

StackRange WholeStack() {
#if defined(__APPLE__)
  const auto high =
      reinterpret_cast<uintptr_t>(pthread_get_stackaddr_np(pthread_self()));
  return {high - pthread_get_stacksize_np(pthread_self()), high};
#else
  pthread_attr_t attributes;
  void* low = nullptr;
  size_t size = 0;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &low, &size);
  pthread_attr_destroy(&attributes);
  const auto base = reinterpret_cast<uintptr_t>(low);
  return {base, base + size};
#endif
}

StackRange WordsOfStack() {
  static const uintptr_t high = WholeStack().high;
  return {reinterpret_cast<uintptr_t>(__builtin_frame_address(0)), high};
}

}  // namespace truefork
