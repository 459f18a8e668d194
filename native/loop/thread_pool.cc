#include "loop/thread_pool.h"

namespace truefork {

int StartThreadPool(uv_loop_t* loop) {
  static uv_work_t nothing;
  return uv_queue_work(
      loop, &nothing, [](uv_work_t*) {}, [](uv_work_t*, int) {});
}

}  // namespace truefork
