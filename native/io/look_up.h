// Looking up the address of a host while the thread waits, with a time limit.
#pragma once

#include <napi.h>

namespace truefork {

// Addresses of hosts, for those who block the thread.
void RegisterLookUp(Napi::Env env, Napi::Object exports);

}  // namespace truefork
