#include "io/poll_until.h"

#include <cerrno>

namespace truefork {

int PollUntil(pollfd* entries, nfds_t count, const Deadline& until) {
  for (;;) {
    const int ready = poll(entries, count, until.ForPoll());
    if (ready > 0 || (ready < 0 && errno != EINTR)) return ready;
    if (until.IsOver()) return 0;
  }
}

}  // namespace truefork
