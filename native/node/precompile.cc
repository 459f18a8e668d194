#include "node/precompile.h"

#include "node/node_internals.h"

namespace truefork {

void Precompile(const Napi::Array& functions) {
  const Napi::Env env = functions.Env();
  const NodeInternals& node = NodeInternals::Get();
  for (uint32_t i = 0; i < functions.Length(); i++) {
    const Napi::Value function = functions[i];
    node.TerminateExecution();
    napi_call_function(env, env.Undefined(), function, 0, nullptr, nullptr);
    node.CancelTermination();
    napi_value termination = nullptr;
    napi_get_and_clear_last_exception(env, &termination);
  }
}

}  // namespace truefork
