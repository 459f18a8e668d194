#include "io/poller.h"

#include "base/loop_callback.h"
#include "base/result.h"

namespace truefork {

void Poller::Register(Napi::Env env, Napi::Object exports) {
  exports["Poller"] = DefineClass(env, "Poller",
                                  {
                                      InstanceMethod<&Poller::Start>("start"),
                                      InstanceMethod<&Poller::Stop>("stop"),
                                      InstanceMethod<&Poller::SetRef>("setRef"),
                                      InstanceMethod<&Poller::Close>("close"),
                                  });
}

Poller::Poller(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Poller>(info),
      loop_(LoopOf(info.Env())),
      fd_(Int(info, 0)) {}

Poller::~Poller() { CloseHandle(); }

Napi::Value Poller::Start(const Napi::CallbackInfo& info) {
  if (handle_ == nullptr) {
    auto* handle = new uv_poll_t;
    const int error = uv_poll_init(loop_, handle, fd_);
    if (error != 0) {
      delete handle;
      return Code(info.Env(), error);
    }
    handle_ = handle;
    handle_->data = this;
  }
  ApplyRef();  // a forked child may have put the handle to rest
  const int error = uv_poll_start(handle_, Int(info, 0), OnEvent);
  SetWatching(error == 0);
  return Code(info.Env(), error);
}

Napi::Value Poller::Stop(const Napi::CallbackInfo& info) {
  if (handle_ != nullptr) uv_poll_stop(handle_);
  SetWatching(false);
  return info.Env().Undefined();
}

Napi::Value Poller::SetRef(const Napi::CallbackInfo& info) {
  keeps_alive_ = info[0].As<Napi::Boolean>();
  if (handle_ != nullptr) ApplyRef();
  return info.Env().Undefined();
}

Napi::Value Poller::Close(const Napi::CallbackInfo& info) {
  CloseHandle();
  SetWatching(false);
  return info.Env().Undefined();
}

void Poller::OnEvent(uv_poll_t* handle, int status, int events) {
  auto* poller = static_cast<Poller*>(handle->data);
  const Napi::HandleScope scope(poller->Env());
  const Napi::Object self = poller->Value();
  napi_value onready = nullptr;
  if (napi_get_named_property(poller->Env(), self, "onready", &onready) !=
      napi_ok) {
    // Node ends, and turns the loop while no JavaScript can run any more.
    uv_poll_stop(handle);
    return;
  }
  if (status != 0) poller->SetWatching(false);
  const auto code = Code(poller->Env(), status != 0 ? status : events);
  CallFromLoop(Napi::Function(poller->Env(), onready), self, {code});
}

void Poller::ApplyRef() {
  auto* handle = reinterpret_cast<uv_handle_t*>(handle_);
  if (keeps_alive_) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
}

void Poller::SetWatching(bool watching) {
  if (watching == is_watching_) return;
  is_watching_ = watching;
  if (watching) {
    Ref();
  } else {
    Unref();
  }
}

void Poller::CloseHandle() {
  if (handle_ == nullptr) return;
  uv_close(reinterpret_cast<uv_handle_t*>(handle_), [](uv_handle_t* handle) {
    delete reinterpret_cast<uv_poll_t*>(handle);
  });
  handle_ = nullptr;
}

}  // namespace truefork
