// JavaScript that must not run: a child's, as long as it is still the parent's.
// V8 forgets a termination as soon as the JavaScript that met it has ended, so
// it is asked for again after each call.
//
// It relies on when V8 looks for terminations: guarded by
// test/fork/child/under-way and platform-tasks.
#pragma once

namespace truefork {

// From now on whatever calls into JavaScript gets nothing done there.
// `spared_calls`: how many calls to let through first, which Node would repeat
// for ever if they did not return.
void BeginTermination(int spared_calls);

// Call it back at the loop: the frames that the last termination was to end are
// gone. Node does nothing at all for V8 as long as one is on its way.
void RenewTermination();

// Drops the promise jobs that have come up meanwhile. JavaScript runs again.
void EndTermination();

}  // namespace truefork
