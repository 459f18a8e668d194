#include "node/terminated.h"

#include "node/node_internals.h"

namespace truefork {

namespace {

int spared = 0;
bool is_sparing = false;
bool is_at_loop = false;

void TerminateAgain(void*) {
  is_sparing = spared > 0;
  if (is_sparing) {
    spared--;
  } else {
    NodeInternals::Get().TerminateExecution();
  }
}

// A termination in a promise job ends with the other promise jobs.
void TerminateAfterMicrotasks(void*, void*) {
  if (spared > 0 || is_sparing) return;
  if (is_at_loop) {
    RenewTermination();
  } else {
    NodeInternals::Get().TerminateExecution();
  }
}

// The first one meets the termination, and V8 drops the whole queue.
void DropMicrotasks() {
  const NodeInternals& node = NodeInternals::Get();
  node.TerminateExecution();
  node.RunMicrotasks();
  // There may have been none.
  node.CancelTermination();
}

}  // namespace

void BeginTermination(int spared_calls) {
  const NodeInternals& node = NodeInternals::Get();
  spared = spared_calls;
  is_sparing = false;
  is_at_loop = false;
  node.OnCallCompleted(TerminateAgain);
  node.OnMicrotasksCompleted(TerminateAfterMicrotasks);
  DropMicrotasks();
  node.TerminateExecution();
}

void RenewTermination() {
  spared = 0;
  is_sparing = false;
  is_at_loop = true;
  NodeInternals::Get().CancelTermination();
  NodeInternals::Get().TerminateExecution();
}

void EndTermination() {
  const NodeInternals& node = NodeInternals::Get();
  node.OffCallCompleted(TerminateAgain);
  node.OffMicrotasksCompleted(TerminateAfterMicrotasks);
  DropMicrotasks();
}

}  // namespace truefork
