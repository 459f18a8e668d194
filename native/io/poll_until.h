// poll(2) with a deadline: signals do not end it, and it is never early.
#pragma once

#include <poll.h>

#include "base/deadline.h"

namespace truefork {

// Blocks the thread. Returns how many are ready: 0 when the deadline is over,
// -1 with errno on errors.
int PollUntil(pollfd* entries, nfds_t count, const Deadline& until);

}  // namespace truefork
