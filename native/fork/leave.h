// How a forked child ends. Node's own way out joins threads that a child does
// not have; a child leaves through _exit().
#pragma once

#include <napi.h>

namespace truefork {

// Call it in the child: from now on process.exit() and uncaught exceptions end
// in _exit(), and so does the teardown of Node's environment, with the exit
// code that was last told to SetExitCode().
void LeaveThrough_exit(Napi::Env env);
void SetExitCode(int code);

}  // namespace truefork
