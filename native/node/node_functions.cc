#include "node/node_functions.h"

#include <napi.h>

#include "node/node_internals.h"
#include "node/precompile.h"
#include "node/vm_timeout.h"

namespace truefork {

namespace {

// The symbol that this build of Node lacks, or undefined.
Napi::Value MissingSymbol(const Napi::CallbackInfo& info) {
  const char* missing = NodeInternals::Load();
  if (missing == nullptr) return info.Env().Undefined();
  return Napi::String::New(info.Env(), missing);
}

Napi::Value IsInsideVmTimeout(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), InsideVmTimeout());
}

Napi::Value PrecompileFunctions(const Napi::CallbackInfo& info) {
  Precompile(info[0].As<Napi::Array>());
  return info.Env().Undefined();
}

}  // namespace

void RegisterNodeFunctions(Napi::Env env, Napi::Object exports) {
  using Napi::Function;
  exports["missingSymbol"] = Function::New<MissingSymbol>(env);
  exports["isInsideVmTimeout"] = Function::New<IsInsideVmTimeout>(env);
  exports["precompile"] = Function::New<PrecompileFunctions>(env);
}

}  // namespace truefork
