// The event loop of a thread of JavaScript, and calls from it into JavaScript.
#pragma once

#include <napi.h>
#include <uv.h>

#include <initializer_list>

namespace truefork {

inline uv_loop_t* LoopOf(napi_env env) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  return loop;
}

// Calls `function` and runs the ticks and promise jobs that follow from it.
// An error that it throws is an uncaught exception.
inline void CallFromLoop(const Napi::Function& function,
                         const Napi::Value& receiver,
                         std::initializer_list<napi_value> arguments) {
  napi_env env = function.Env();
  napi_make_callback(env, nullptr, receiver, function, arguments.size(),
                     arguments.begin(), nullptr);
  napi_value error = nullptr;
  napi_get_and_clear_last_exception(env, &error);
  napi_valuetype type = napi_undefined;
  napi_typeof(env, error, &type);
  // undefined: there was none. null: the child of a fork in there drops its
  // stack (abandon.h).
  if (type != napi_undefined && type != napi_null)
    napi_fatal_exception(env, error);
}

// The same for a function that needs no receiver. Not the global object: node's
// domain module asks the receiver for its `domain`, which in a REPL is a
// module.
inline void CallFromLoop(const Napi::Function& function) {
  CallFromLoop(function, Napi::Object::New(function.Env()), {});
}

}  // namespace truefork
