#include "vanished_stacks.h"

#if defined(__GLIBC__)
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "stack.h"
#endif

namespace truefork {

#if defined(__GLIBC__)

namespace {

struct Stack {
  StackRange range;
  pid_t* owner;
};

// Workers come here one by one, before they park; at a fork all have left.
std::mutex stacks_lock;
std::vector<Stack> stacks;

std::vector<size_t> candidate_offsets;

pid_t* TidAt(size_t offset) {
  // The descriptor begins where pthread_self() points.
  return reinterpret_cast<pid_t*>(pthread_self() + offset);
}

// The offsets, in the descriptor of this thread, of words that equal its tid.
bool MatchesHere(size_t offset) {
  return *TidAt(offset) == static_cast<pid_t>(syscall(SYS_gettid));
}

Stack ThisStack() {
  for (const size_t offset : candidate_offsets)
    if (MatchesHere(offset)) return {WholeStack(), TidAt(offset)};
  return {WholeStack(), nullptr};
}

}  // namespace

bool LocateThreadIds() {
  // The header in front (tcbhead_t) and what follows differ between versions
  // and processors; the tid lies behind it and within this span on all of them.
  constexpr size_t kFirst = 0x40;
  constexpr size_t kLast = 0x900;
  if (!candidate_offsets.empty()) return true;
  for (size_t offset = kFirst; offset < kLast; offset += sizeof(pid_t))
    if (MatchesHere(offset)) candidate_offsets.push_back(offset);
  return !candidate_offsets.empty();
}

pid_t* StackOwner() {
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const std::lock_guard<std::mutex> lock(stacks_lock);
  for (const Stack& stack : stacks)
    if (stack.range.Contains(here)) return stack.owner;
  stacks.push_back(ThisStack());
  return stacks.back().owner;
}

void KeepStack(pid_t* owner) {
  // No thread ever has this id, and none can: it is above the kernel's limit.
  constexpr pid_t kNobody = 0x7ffffff;
  if (owner != nullptr) *owner = kNobody;
}

#else

bool LocateThreadIds() { return true; }
pid_t* StackOwner() { return nullptr; }
void KeepStack(pid_t*) {}

#endif

}  // namespace truefork
