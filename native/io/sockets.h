// Stream sockets: Unix and TCP, and descriptors that go with the bytes.
#pragma once

#include <napi.h>

namespace truefork {

void RegisterSockets(Napi::Env env, Napi::Object exports);

}  // namespace truefork
