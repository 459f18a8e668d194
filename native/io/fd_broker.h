// A thread that hands descriptors over to those who show a token for them, for
// messages that go where no descriptor can go along.
#pragma once

#include <napi.h>

namespace truefork {

void RegisterFdBroker(Napi::Env env, Napi::Object exports);

}  // namespace truefork
