// Starting a shell that outlives this process.
#pragma once

#include <napi.h>

namespace truefork {

void RegisterSpawn(Napi::Env env, Napi::Object exports);

}  // namespace truefork
