#include "fork/fork_gate.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "base/futex.h"

namespace truefork {

namespace {

// Shared with the children of one process.
struct Verdict {
  pid_t parent;
  Word may_go;
};

Verdict* verdict = nullptr;

}  // namespace

int CloseForkGate() {
  if (verdict == nullptr || verdict->parent != getpid()) {
    void* page = mmap(nullptr, sizeof(Verdict), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return -errno;
    if (verdict != nullptr) munmap(verdict, sizeof(Verdict));
    verdict = new (page) Verdict{getpid(), {}};
  }
  // The child before this one is ready, or was killed: it does not look any
  // more.
  verdict->may_go.store(0);
  return 0;
}

void OpenForkGate() {
  verdict->may_go.store(1);
  Wake(&verdict->may_go, 1);
}

void PassForkGate() {
  constexpr double kSliceMs = 20;
  const Watched watched{&verdict->may_go, 0};
  while (verdict->may_go.load() == 0) {
    if (getppid() != verdict->parent) _exit(1);
    Sleep(&watched, 1, Deadline::In(kSliceMs));
  }
}

}  // namespace truefork
