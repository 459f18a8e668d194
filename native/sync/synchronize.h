// Locks, semaphores and words in shared memory, for the calling thread.
#pragma once

#include <napi.h>

namespace truefork {

void RegisterSynchronize(Napi::Env env, Napi::Object exports);

}  // namespace truefork
