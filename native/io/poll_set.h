// Waiting for many descriptors at once.
#pragma once

#include <napi.h>

namespace truefork {

void RegisterPollSet(Napi::Env env, Napi::Object exports);

}  // namespace truefork
