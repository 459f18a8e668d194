// POSIX named semaphores: sem_open(3) and its relatives.
#pragma once

#include <napi.h>

namespace truefork {

void RegisterSemaphores(Napi::Env env, Napi::Object exports);

}  // namespace truefork
