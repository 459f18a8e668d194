#include "fork/leave.h"

#include <unistd.h>

#include "node/node_internals.h"

namespace truefork {

namespace {

int exit_code = 0;

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

}  // namespace truefork
