// Waiting for a descriptor without blocking: uv_poll_t as a JavaScript class.
#pragma once

#include <napi.h>
#include <uv.h>

namespace truefork {

// new Poller(fd)
// start(events)  watches for UV_READABLE | UV_WRITABLE; 0 or -errno
// stop()         does not watch any more
// setRef(on)     whether watching keeps the event loop alive (it does)
// close()        for good; the descriptor stays open
// onready        what is called, as a method, with the events that are there,
// or
//                with a negative errno; then the poller has stopped
class Poller : public Napi::ObjectWrap<Poller> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);

  explicit Poller(const Napi::CallbackInfo& info);
  ~Poller() override;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

 private:
  static void OnEvent(uv_poll_t* handle, int status, int events);

  Napi::Value Start(const Napi::CallbackInfo& info);
  Napi::Value Stop(const Napi::CallbackInfo& info);
  Napi::Value SetRef(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  void CloseHandle();
  void ApplyRef();
  void SetWatching(bool watching);

  // Lives on until the loop has closed it.
  uv_poll_t* handle_ = nullptr;
  uv_loop_t* loop_ = nullptr;
  int fd_;
  // While it watches, nobody else needs to hold this object.
  bool is_watching_ = false;
  bool keeps_alive_ = true;
};

}  // namespace truefork
