#include "vm_timeout.h"

#include <pthread.h>
#include <uv.h>

#include <cstddef>
#include <cstdint>

#include "node_internals.h"

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

bool InsideVmTimeout() {
  static const uintptr_t top = TopOfStack();
  const auto callback =
      reinterpret_cast<uintptr_t>(NodeInternals::Get().VmWatchdogTimer());
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  constexpr size_t kCallback = offsetof(uv_timer_t, timer_cb);
  for (uintptr_t word = here + kCallback; word < top; word += sizeof(word)) {
    if (*reinterpret_cast<const uintptr_t*>(word) != callback) continue;
    // A watchdog that is done left its timer on the stack too, but closed.
    const auto* timer = reinterpret_cast<const uv_handle_t*>(word - kCallback);
    if (timer->type == UV_TIMER && uv_is_active(timer) != 0) return true;
  }
  return false;
}

}  // namespace truefork
