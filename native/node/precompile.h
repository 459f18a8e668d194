// Functions of JavaScript, compiled before they are called.
//
// It relies on when V8 looks for terminations: guarded by
// test/fork/child/compiled.
#pragma once

#include <napi.h>

namespace truefork {

// Makes V8 compile functions that it would compile when they are first called.
// None of their code runs: each is called while a termination is pending, which
// V8 looks for when it has compiled the function and is about to enter it.
void Precompile(const Napi::Array& functions);

}  // namespace truefork
