// libuv's thread pool. A forked child makes a new one when it first needs it;
// what the old one was doing is done in the parent only.
//
// It relies on the mutex of the loop's queue of finished jobs, and on how libuv
// counts slow jobs: guarded by test/fork/child/look-ups and under-way.
#pragma once

#include <uv.h>

namespace truefork {

// While an object of this class lives no thread of the pool can hand a finished
// job to `loop`. A thread that did so at the moment of the fork would leave the
// mutex locked in the child, whose own jobs then never came back.
class PausedThreadPool {
 public:
  explicit PausedThreadPool(uv_loop_t* loop) : loop_(loop) {
    uv_mutex_lock(&loop_->wq_mutex);
  }
  ~PausedThreadPool() { uv_mutex_unlock(&loop_->wq_mutex); }
  PausedThreadPool(const PausedThreadPool&) = delete;
  PausedThreadPool& operator=(const PausedThreadPool&) = delete;

 private:
  uv_loop_t* loop_;
};

// Makes the pool start now, with as many threads as UV_THREADPOOL_SIZE says.
// Returns 0 or a negative errno.
int StartThreadPool(uv_loop_t* loop);

}  // namespace truefork
