// The functions of this folder that JavaScript calls: lib/native/fork.ts.
#pragma once

#include <napi.h>

namespace truefork {

void RegisterForkFunctions(Napi::Env env, Napi::Object exports);

}  // namespace truefork
