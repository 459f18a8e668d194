#include "stack_words.h"

#include <pthread.h>

#include <cstddef>

namespace truefork {

namespace {

uintptr_t TopOfStack() {
#if defined(__APPLE__)
  return reinterpret_cast<uintptr_t>(pthread_get_stackaddr_np(pthread_self()));
#else
  pthread_attr_t attributes;
  void* low = nullptr;
  size_t size = 0;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &low, &size);
  pthread_attr_destroy(&attributes);
  return reinterpret_cast<uintptr_t>(low) + size;
#endif
}

}  // namespace

StackWords WordsOfStack() {
  static const uintptr_t top = TopOfStack();
  return {reinterpret_cast<uintptr_t>(__builtin_frame_address(0)), top};
}

}  // namespace truefork
