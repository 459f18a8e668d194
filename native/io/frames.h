// The shortest way of a message that is short: into and out of a pipe or a
// socket with one call each.
#pragma once

#include <napi.h>

namespace truefork {

void RegisterFrames(Napi::Env env, Napi::Object exports);

}  // namespace truefork
