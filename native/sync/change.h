// Waiting until words in shared memory are not what they were.
#pragma once

#include <vector>

#include "sync/shared_lock.h"

namespace truefork {

// Sleeps once. kDone says that there may be something new, also if no word has
// changed: the bell, which is the second of them, rings without that when
// somebody dies who was about to make a change
// (lib/futex/robust-list.ts).
//
// The kernel then wakes one sleeper only, and that one wakes the others:
// whatever becomes of its process, and however long it has other things to do.
// A process that changes the first of the words wakes all itself.
Outcome AwaitChange(std::vector<Watched> watched, const WaitLimit& limit);

}  // namespace truefork
