#include "loop/loop_end.h"

#include "base/loop_callback.h"
#include "loop/first_timer.h"
#include "node/node_internals.h"

namespace truefork {

namespace {

struct LoopEnd {
  Napi::FunctionReference leave;
  uv_timer_t next_turn;
  bool has_more = false;
};

LoopEnd* loop_end = nullptr;

uv_handle_t* NextTurn() {
  return reinterpret_cast<uv_handle_t*>(&loop_end->next_turn);
}

// The last look before the loop goes on is the one that counts.
void Look(void*) {
  uv_unref(NextTurn());
  loop_end->has_more = uv_loop_alive(NextTurn()->loop) != 0;
  uv_ref(NextTurn());
}

void OnNextTurn(uv_timer_t*) {
  if (loop_end->leave.IsEmpty()) return;
  NodeInternals::Get().OffCallCompleted(Look);
  if (loop_end->has_more) return;
  const Napi::HandleScope scope(loop_end->leave.Env());
  CallFromLoop(loop_end->leave.Value());
}

}  // namespace

void AtLoopEnd(uv_loop_t* loop, Napi::Value leave) {
  if (loop_end == nullptr) {
    loop_end = new LoopEnd;
    uv_timer_init(loop, &loop_end->next_turn);
    uv_unref(NextTurn());
  }
  // Before the other timers: what is due by then would be over unseen.
  StartFirst(&loop_end->next_turn, OnNextTurn);
  if (!leave.IsFunction()) return;
  loop_end->leave = Napi::Persistent(leave.As<Napi::Function>());
  uv_ref(NextTurn());
  NodeInternals::Get().OnCallCompleted(Look);
}

bool IsAtLoopEnd() {
  return loop_end != nullptr && uv_is_active(NextTurn()) != 0;
}

}  // namespace truefork
