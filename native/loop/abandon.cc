#include "loop/abandon.h"

#include <utility>
#include <vector>

#include "base/loop_callback.h"
#include "loop/first_timer.h"
#include "node/foreground_tasks.h"
#include "node/terminated.h"

namespace truefork {

namespace {

struct Beginning {
  Napi::FunctionReference function;
  Descriptors keep;
  uv_timer_t timer;
  bool timer_made = false;
  bool collects = false;
};

// One for each process. A child's child finds that of its parent, with a timer
// that has fired long ago.
Beginning* beginning = nullptr;

// Does what Node has put off to the end of the loop's turn, but for JavaScript.
// Until then it is in the count of the immediates, and Node, which sees some,
// would not have the loop go on for the first of the child's own.
void EndTurn(uv_loop_t* loop) {
  std::vector<uv_check_t*> checks;
  uv_walk(
      loop,
      [](uv_handle_t* handle, void* all) {
        if (handle->type != UV_CHECK || uv_is_active(handle) == 0) return;
        static_cast<decltype(checks)*>(all)->push_back(
            reinterpret_cast<uv_check_t*>(handle));
      },
      &checks);
  for (uv_check_t* check : checks) check->check_cb(check);
}

void Begin(uv_timer_t* timer) {
  RenewTermination();
  RestLoop(timer->loop, beginning->keep);
  EndTurn(timer->loop);
  SettleForegroundTasks(timer->loop, beginning->collects);
  EndTermination();
  const Napi::FunctionReference function = std::move(beginning->function);
  const Napi::HandleScope scope(function.Env());
  CallFromLoop(function.Value());
}

}  // namespace

void AbandonStack(Napi::Function begin, uv_loop_t* loop, Descriptors keep,
                  int spared_calls, bool collects) {
  if (beginning == nullptr) beginning = new Beginning;
  beginning->function = Napi::Persistent(begin);
  beginning->keep = std::move(keep);
  beginning->collects = collects;
  if (!beginning->timer_made) uv_timer_init(loop, &beginning->timer);
  beginning->timer_made = true;
  StartFirst(&beginning->timer, Begin);

  // Other callbacks of the parent may come between the dropped frames and the
  // loop: more sockets that were ready in the same turn, more finished jobs of
  // the thread pool. They must not run either.
  BeginTermination(spared_calls);
}

}  // namespace truefork
