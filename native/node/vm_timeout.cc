#include "node/vm_timeout.h"

#include <uv.h>

#include <cstddef>

#include "base/stack.h"
#include "node/node_internals.h"

namespace truefork {

bool InsideVmTimeout() {
  const auto callback =
      reinterpret_cast<uintptr_t>(NodeInternals::Get().VmWatchdogTimer());
  constexpr size_t kCallback = offsetof(uv_timer_t, timer_cb);
  const StackRange stack = WordsOfStack();
  for (uintptr_t word = stack.low + kCallback; word < stack.high;
       word += sizeof(word)) {
    if (*reinterpret_cast<const uintptr_t*>(word) != callback) continue;
    // A watchdog that is done left its timer on the stack too, but closed.
    const auto* timer = reinterpret_cast<const uv_handle_t*>(word - kCallback);
    if (timer->type == UV_TIMER && uv_is_active(timer) != 0) return true;
  }
  return false;
}

}  // namespace truefork
