// A timer that comes before all others.
//
// It relies on libuv ordering timers by the loop's time: guarded by
// test/fork/child/events.
#pragma once

#include <uv.h>

namespace truefork {

// Starts a timer that libuv calls before all others, those included that are
// due.
inline void StartFirst(uv_timer_t* timer, uv_timer_cb callback) {
  const uint64_t now = timer->loop->time;
  timer->loop->time = 0;
  uv_timer_start(timer, callback, 0, 0);
  timer->loop->time = now;
}

}  // namespace truefork
