#include "leave.h"

#include <unistd.h>

#include "loop_callback.h"
#include "node_internals.h"

namespace truefork {

namespace {

int exit_code = 0;

Napi::FunctionReference* leave_when_idle = nullptr;
uv_idle_t next_turn;

void OnNextTurn(uv_idle_t* handle) {
  uv_idle_stop(handle);
  if (uv_loop_alive(handle->loop) != 0) return;
  const Napi::HandleScope scope(leave_when_idle->Env());
  CallFromLoop(leave_when_idle->Value(), leave_when_idle->Env().Global(), {});
}

}  // namespace

void LeaveThrough_exit(Napi::Env env) {
  static bool is_set = false;
  if (is_set) return;  // by an ancestor that is a forked child as well
  is_set = true;
  NodeInternals::Get().SetExitHandler([](void*, int code) { _exit(code); });
  napi_add_env_cleanup_hook(
      env, [](void*) { _exit(exit_code); }, nullptr);
}

void SetExitCode(int code) { exit_code = code; }

void CallIfIdle(uv_loop_t* loop, Napi::Function leave) {
  if (leave_when_idle == nullptr) {
    leave_when_idle = new Napi::FunctionReference;
    uv_idle_init(loop, &next_turn);
  }
  *leave_when_idle = Napi::Persistent(leave);
  // A child of a child inherits the handle, at rest.
  uv_ref(reinterpret_cast<uv_handle_t*>(&next_turn));
  uv_idle_start(&next_turn, OnNextTurn);
}

}  // namespace truefork
