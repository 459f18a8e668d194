// Children: waiting for them, watching them, signalling them.
#pragma once

#include <napi.h>

namespace truefork {

void RegisterWait(Napi::Env env, Napi::Object exports);

}  // namespace truefork
