// The ids of a process, and its last act.
#pragma once

#include <napi.h>

namespace truefork {

void RegisterAttributes(Napi::Env env, Napi::Object exports);

}  // namespace truefork
