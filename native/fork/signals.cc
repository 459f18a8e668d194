#include "fork/signals.h"

#include <initializer_list>

namespace truefork {

// sigprocmask and not pthread_sigmask: the latter binds to a newer glibc than
// Node needs. It is the main thread that forks; the two do the same there.
BlockedSignals::BlockedSignals() {
  sigset_t all;
  sigfillset(&all);
  for (const int fault :
       {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS})
    sigdelset(&all, fault);
  sigprocmask(SIG_SETMASK, &all, &before_);
}

BlockedSignals::~BlockedSignals() {
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

void ResetNodeSignals() {
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) {
    struct sigaction action {};
    sigaction(signal, nullptr, &action);
    if (action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
  // Node ignores them; libuv forgets that when a listener goes.
  for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
}

bool IsCaught(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
}

}  // namespace truefork
