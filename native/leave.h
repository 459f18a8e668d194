// How a forked child ends. Node's own way out joins threads that a child does
// not have; a child leaves through _exit().
#pragma once

#include <napi.h>
#include <uv.h>

namespace truefork {

// Call it in the child: from now on process.exit() and uncaught exceptions end
// in _exit(), and so does the teardown of Node's environment, with the exit
// code that was last told to SetExitCode().
void LeaveThrough_exit(Napi::Env env);
void SetExitCode(int code);

// Calls `leave` in the next turn of the loop if that has nothing else to do.
// (Node, when its loop has ended, looks at the module that it was started with:
// in a child that may be in the middle of an evaluation that never goes on.)
void CallIfIdle(uv_loop_t* loop, Napi::Function leave);

}  // namespace truefork
