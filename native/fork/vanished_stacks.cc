#include "fork/vanished_stacks.h"

#if defined(__GLIBC__)
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "base/stack.h"
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

// No thread ever has this id, and none can: it is above the kernel's limit.
constexpr pid_t kNobody = 0x7ffffff;

// Of threads that run on the stacks of others.
std::vector<pid_t*> claimants;

// The header of a descriptor (tcbhead_t) and what follows differ between
// versions and processors; what is looked for lies behind it and within this
// span on all of them.
constexpr size_t kFirst = 0x40;
constexpr size_t kLast = 0x900;

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

// Where the descriptor of a thread says which memory is its stack, with the
// guard below it.
struct Claim {
  uintptr_t block;
  size_t size;
};

// Of this thread; nullptr if it is nowhere to be found.
Claim* FindClaim(const StackRange& stack) {
  for (size_t offset = kFirst; offset < kLast; offset += sizeof(void*)) {
    auto* claim = reinterpret_cast<Claim*>(pthread_self() + offset);
    // The descriptor is itself at the upper end of the block.
    if (reinterpret_cast<uintptr_t>(claim + 1) > stack.high) break;
    if (claim->block <= stack.low && claim->block + claim->size == stack.high)
      return claim;
  }
  return nullptr;
}

// The place of a descriptor in glibc's list of the stacks that are in use,
// right before the tid. In a forked child that list has become the one of the
// stacks that are free.
struct Links {
  Links* next;
  Links* previous;
};

Links* LinksOf(pid_t* owner) { return reinterpret_cast<Links*>(owner) - 1; }
pid_t* OwnerOf(Links* links) { return reinterpret_cast<pid_t*>(links + 1); }

// A thread whose descriptor is in the list, and how far its Claim is from its
// tid; nullptr until there is one.
pid_t* listed = nullptr;
uintptr_t claim_distance = 0;

void MeasureClaim(const Stack& stack) {
  const Claim* claim = FindClaim(stack.range);
  if (claim == nullptr || stack.owner == nullptr) return;
  listed = stack.owner;
  claim_distance = reinterpret_cast<uintptr_t>(claim) -
                   reinterpret_cast<uintptr_t>(stack.owner);
}

bool IsMapped(const void* address, size_t size) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto start = reinterpret_cast<uintptr_t>(address);
  const uintptr_t low = start & ~(page - 1);
  return msync(reinterpret_cast<void*>(low), start + size - low, MS_ASYNC) == 0;
}

bool IsListed(const Links* links) {
  const auto is_whole = [](const Links* neighbour) {
    constexpr uintptr_t kMisaligned = alignof(Links) - 1;
    return (reinterpret_cast<uintptr_t>(neighbour) & kMisaligned) == 0 &&
           IsMapped(neighbour, sizeof *neighbour);
  };
  return is_whole(links->next) && is_whole(links->previous) &&
         links->next->previous == links && links->previous->next == links;
}

// The head of the list is no descriptor, and lies on no stack.
bool LiesOnItsStack(pid_t* owner) {
  const auto here = reinterpret_cast<uintptr_t>(owner);
  const auto* claim = reinterpret_cast<Claim*>(here + claim_distance);
  return IsMapped(claim, sizeof *claim) && here >= claim->block &&
         here - claim->block < claim->size;
}

// In a circle of its own it is no longer in the list, and can be taken out of
// it once more, which pthread_join() does.
void Unlist(Links* links) {
  links->next->previous = links->previous;
  links->previous->next = links->next;
  links->next = links->previous = links;
}

void KeepListedStacks(Links* first) {
  for (Links* links = first->next; links != first;) {
    if (!IsListed(links)) return;
    Links* const next = links->next;
    if (*OwnerOf(links) != kNobody && LiesOnItsStack(OwnerOf(links)))
      Unlist(links);
    links = next;
  }
}

}  // namespace

bool LocateThreadIds() {
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
  if (listed == nullptr) MeasureClaim(stacks.back());
  return stacks.back().owner;
}

void KeepStack(pid_t* owner) {
  if (owner != nullptr) *owner = kNobody;
}

void ClaimStack(const pid_t* owner) {
  const Stack own = ThisStack();
  Claim* claim = FindClaim(own.range);
  if (claim == nullptr || own.owner == nullptr) return;
  const size_t guard = own.range.low - claim->block;
  const std::lock_guard<std::mutex> lock(stacks_lock);
  for (const Stack& stack : stacks) {
    if (stack.owner != owner) continue;
    *claim = {stack.range.low - guard,
              stack.range.high - stack.range.low + guard};
    claimants.push_back(own.owner);
    return;
  }
}

void KeepOtherStacks() {
  for (pid_t* owner : claimants) KeepStack(owner);
  if (listed != nullptr && IsListed(LinksOf(listed)))
    KeepListedStacks(LinksOf(listed));
}

#else

bool LocateThreadIds() { return true; }
pid_t* StackOwner() { return nullptr; }
void KeepStack(pid_t*) {}
void ClaimStack(const pid_t*) {}
void KeepOtherStacks() {}

#endif

}  // namespace truefork
