// Descriptors: pipes, sockets, and bytes in and out of them.
#pragma once

#include <napi.h>

namespace truefork {

void RegisterDescriptors(Napi::Env env, Napi::Object exports);

}  // namespace truefork
