// Memory that processes share: mappings as ArrayBuffers, and POSIX shared
// memory objects to map.
#pragma once

#include <napi.h>

namespace truefork {

void RegisterSharedMemory(Napi::Env env, Napi::Object exports);

}  // namespace truefork
