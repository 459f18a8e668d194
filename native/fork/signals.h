// Signals around a fork.
#pragma once

#include <csignal>

namespace truefork {

// From the fork until uv_loop_fork() has returned, libuv's signal handler would
// write into the pipe that parent and child still share, and the parent would
// run the handler for a signal that the child got. So no signal comes through
// while an object of this class lives, those excepted that report a fault of
// the running code.
class BlockedSignals {
 public:
  BlockedSignals();
  ~BlockedSignals();
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

// Gives signals the actions that they have in a Node that has just started,
// but those that Node handles itself their default action. Its handlers
// would reset the terminal, which is the parent's, or wake the thread that
// starts the inspector, which a forked child does not have.
void ResetNodeSignals();

// Whether the process has a handler for the signal.
bool IsCaught(int signal);

}  // namespace truefork
