// The watchers for changes of files (uv_fs_event_t) across uv_loop_fork(),
// which on Linux frees what the frame of libuv still uses that called back for
// a change.
#pragma once

#include <uv.h>

namespace truefork {

class FileWatchers {
 public:
  // Before uv_loop_fork(): hides them from it.
  explicit FileWatchers(uv_loop_t* loop);

  // After it: those that are active watch again. 0 or a negative errno.
  int Restore();

 private:
  uv_loop_t* loop_;
  void* hidden_ = nullptr;
  bool were_used_ = false;
};

}  // namespace truefork
