// What a process is to the kernel, and its last act.
#pragma once

#include <napi.h>

namespace truefork {

void RegisterAttributes(Napi::Env env, Napi::Object exports);

}  // namespace truefork
