// Kills a process after each single instruction of an operation on a ring, and
// looks whether those who are left can go on; or delays it, and looks whether
// it does.   ring_steps [stride] [first]
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "queue/ring.h"

namespace {

using truefork::Destination;
using truefork::Mark;
using truefork::Deadline;
using truefork::Outcome;
using truefork::WaitLimit;
using truefork::Ring;
using truefork::RingBlock;

RingBlock* Map(size_t size) {
  void* memory = mmap(nullptr, Ring::LengthFor(size), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return Ring::Make(memory, size, 0);
}

void Unmap(RingBlock* block) {
  munmap(block, Ring::LengthFor(size_t{block->most_units} * Mark::kUnit));
}

constexpr size_t kSize = Ring::kMinSize;
constexpr size_t kShort = 100;
constexpr size_t kLong = kSize * 2;
constexpr size_t kGrowing = 500;
// How long the living may take, in milliseconds.
constexpr double kBounded = 5000;

std::string scenario;
long step;  // NOLINT(google-runtime-int)

[[noreturn]] void Fail(const char* what) {
  fprintf(stderr, "%s, stopped after %ld instructions: %s\n", scenario.c_str(),
          step, what);
  _exit(1);
}

void Expect(bool is_right, const char* what) {
  if (!is_right) Fail(what);
}

// Makes this many bytes, which all depend on `number`, the first one.
std::string Text(uint8_t number, size_t size) {
  std::string text(size, static_cast<char>(number));
  for (size_t i = 1; i < size; i++)
    text[i] = static_cast<char>(number * 31 + i * 7);
  return text;
}

Outcome Put(RingBlock* block, uint8_t number, size_t size,
            const WaitLimit& limit) {
  // Before it is done step by step.
  static std::map<std::pair<uint8_t, size_t>, std::string> texts;
  std::string& text = texts[{number, size}];
  if (text.empty()) text = Text(number, size);
  return Ring(block).Put(
      {number, reinterpret_cast<const uint8_t*>(text.data()), size}, limit);
}

// The number of the record, or -1.
int Take(RingBlock* block, const WaitLimit& limit) {
  Destination destination;
  if (Ring(block).Take(&destination, limit) != Outcome::kDone) return -1;
  const size_t size = destination.size() - sizeof(truefork::RecordHead);
  uint8_t* memory = destination.TakeMemory();
  const uint8_t number = memory[offsetof(truefork::RecordHead, kind)];
  Expect(memcmp(memory + sizeof(truefork::RecordHead),
                Text(number, size).data(), size) == 0,
         "a torn record");
  free(memory);
  return number;
}

void TakeUnseen(RingBlock* block) {
  Destination destination;
  Ring(block).Take(&destination, WaitLimit{});
}

void Prepare() {
  Put(Map(Ring::kMinSize), 2, kShort, {Deadline::In(0), nullptr});
  Put(Map(Ring::kMinSize), 2, kLong, {Deadline::In(0), nullptr});
  Put(Map(Ring::kMinSize), 40, kGrowing, {Deadline::In(0), nullptr});
}

WaitLimit Bounded() { return {Deadline::In(kBounded), nullptr}; }
WaitLimit None() { return {Deadline::In(0), nullptr}; }

pid_t Start(const std::function<void()>& work) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  work();
  _exit(0);
}

void End(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

// Starts `work`, and stops it after `steps` instructions. -1 if it was done
// before.
pid_t StoppedAfter(long steps, const std::function<void()>& work) {  // NOLINT
  const pid_t pid = Start([&] {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    work();
  });
  int status = 0;
  waitpid(pid, &status, 0);
  for (long i = 0; i < steps; i++) {  // NOLINT(google-runtime-int)
    ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr);
    waitpid(pid, &status, 0);
    if (WIFEXITED(status)) return -1;
  }
  return pid;
}

// Starts `work`, and kills it after `steps` instructions. False if it was done
// before.
bool KilledAfter(long steps, const std::function<void()>& work) {  // NOLINT
  const pid_t pid = StoppedAfter(steps, work);
  if (pid > 0) End(pid);
  return pid > 0;
}

// As if the machine had no time for it, for longer than the ring gives to those
// who copy.
bool DelayedAfter(long steps, const std::function<void()>& work) {  // NOLINT
  constexpr useconds_t kDelay = 110'000;
  const pid_t pid = StoppedAfter(steps, work);
  if (pid < 0) return false;
  usleep(kDelay);
  ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
  waitpid(pid, nullptr, 0);
  return true;
}

bool Until(const std::function<bool()>& condition) {
  const Deadline end = Deadline::In(kBounded);
  while (!condition()) {
    if (end.IsOver()) return false;
    usleep(50);
  }
  return true;
}

std::vector<int> TakeAll(RingBlock* block) {
  std::vector<int> numbers;
  for (int number = 0; (number = Take(block, None())) >= 0;)
    numbers.push_back(number);
  return numbers;
}

// Whether they are `expected`, with or without `maybe` at that index.
bool AreWithOrWithout(const std::vector<int>& numbers,
                      std::vector<int> expected, size_t index, int maybe) {
  if (numbers == expected) return true;
  expected.insert(expected.begin() + static_cast<ptrdiff_t>(index), maybe);
  return numbers == expected;
}

// The steps that other processes can still take. A record that was begun is not
// there.
void ExpectUsable(RingBlock* block, const std::vector<int>& left, size_t index,
                  int maybe) {
  Expect(Put(block, 99, kShort, Bounded()) == Outcome::kDone, "cannot put");
  std::vector<int> expected = left;
  expected.push_back(99);
  Expect(AreWithOrWithout(TakeAll(block), expected, index, maybe),
         "other records than expected");
  Expect(Ring(block).count() == 0 && Ring(block).is_empty(), "a wrong count");
}

// Takes all that comes, and says of each in `seen` that it has.
pid_t StartTaker(RingBlock* block, std::atomic<int>* seen) {
  return Start([=] {
    for (;;) {
      const int number = Take(block, WaitLimit{});
      Expect(number >= 0, "took nothing");
      seen[number]++;
    }
  });
}

// A child; it is not reaped.
bool HasEnded(pid_t pid) {
  siginfo_t info{};
  return waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid;
}

bool Sleeps(pid_t pid) {
  char path[64];
  char state[256] = "";
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE* file = fopen(path, "r");
  if (file == nullptr) return false;
  const size_t size = fread(state, 1, sizeof state - 1, file);
  fclose(file);
  state[size] = 0;
  const char* end = strrchr(state, ')');
  return end != nullptr && end[2] == 'S';
}

struct Scenario {
  const char* name;
  // False if the operation came to its end before it was killed.
  std::function<bool(RingBlock*, std::atomic<int>*)> run;
};

bool WithTaker(RingBlock* block, std::atomic<int>* seen,
               const std::function<bool()>& act) {
  const pid_t taker = StartTaker(block, seen);
  Expect(Until([&] { return Sleeps(taker); }), "the taker does not sleep");
  const bool was_killed = act();
  // Nobody tells the taker again: what is there it must have been told of.
  Expect(Until([&] { return Ring(block).count() == 0; }),
         "the one who takes sleeps on");
  Expect(Put(block, 99, kShort, Bounded()) == Outcome::kDone, "cannot put");
  Expect(Until([&] { return seen[99] == 1; }), "cannot take");
  End(taker);
  ExpectUsable(block, {}, 0, 99);
  return was_killed;
}

// Somebody waits for room to put 50 while `act` happens.
bool WithPutter(RingBlock* block, size_t size,
                const std::function<bool(pid_t)>& act) {
  const pid_t putter = Start([&] {
    _exit(Put(block, 50, size, WaitLimit{}) == Outcome::kDone ? 0 : 1);
  });
  Expect(Until([&] { return Sleeps(putter); }), "the putter does not sleep");
  const bool was_killed = act(putter);
  End(putter);
  return was_killed;
}

// A long one that wraps around, with three short records that are left.
RingBlock* MapLong() {
  constexpr size_t kSize = size_t{4} << 20;
  RingBlock* block = Map(kSize);
  const std::string text(kSize / 4 - 100, 'x');
  for (int i = 0; i < 3; i++) {
    Ring(block).Put(
        {1, reinterpret_cast<const uint8_t*>(text.data()), text.size()},
        None());
  }
  for (uint8_t i = 1; i <= 3; i++) Put(block, i, kShort, None());
  for (int i = 0; i < 3; i++) TakeUnseen(block);
  block->taken = 2 * block->most_units;
  return block;
}

// One that is nearly full, and wraps around.
RingBlock* MapFull() {
  RingBlock* block = Map(kSize * 2);
  block->layout.store({0, kSize / 8});
  for (uint8_t i = 1; i <= 20; i++) Put(block, i, kShort, None());
  for (uint8_t i = 1; i <= 20; i++) TakeUnseen(block);
  for (uint8_t i = 1; i <= 35; i++) Put(block, i, kShort, None());
  return block;
}

const Scenario kScenarios[] = {
    {"put",
     [](RingBlock* block, auto*) {
       Put(block, 1, kShort, None());
       const bool was_killed =
           KilledAfter(step, [=] { Put(block, 2, kShort, WaitLimit{}); });
       ExpectUsable(block, {1}, 1, 2);
       return was_killed;
     }},
    {"put where somebody waits for it",
     [](RingBlock* block, auto* seen) {
       return WithTaker(block, seen, [&] {
         return KilledAfter(step, [=] { Put(block, 2, kShort, WaitLimit{}); });
       });
     }},
    {"put a long one",
     [](RingBlock* block, auto*) {
       return KilledAfter(step, [=] { Put(block, 2, kLong, None()); }) &&
              (ExpectUsable(block, {}, 0, 2), true);
     }},
    {"put a long one where somebody takes it",
     [](RingBlock* block, auto* seen) {
       return WithTaker(block, seen, [&] {
         return KilledAfter(step, [=] { Put(block, 2, kLong, WaitLimit{}); });
       });
     }},
    {"take",
     [](RingBlock* block, auto*) {
       for (uint8_t i = 1; i <= 3; i++) Put(block, i, kShort, None());
       const bool was_killed = KilledAfter(step, [=] { TakeUnseen(block); });
       ExpectUsable(block, {2, 3}, 0, 1);
       return was_killed;
     }},
    {"take where somebody waits for room",
     [](RingBlock* block, auto*) {
       uint8_t last = 0;
       while (Put(block, last + 1, kShort, None()) == Outcome::kDone) last++;
       const bool was_killed = WithPutter(block, kShort, [&](pid_t) {
         const uint32_t before = Ring(block).count();
         const bool was_killed = KilledAfter(step, [=] { TakeUnseen(block); });
         const auto* head = &block->head;
         // If it was taken there is room.
         const bool is_taken = head->load().records == 1;
         Expect(
             !is_taken || Until([&] { return Ring(block).count() == before; }),
             "the one who puts sleeps on");
         return was_killed;
       });
       std::vector<int> left;
       for (int i = 2; i <= last; i++) left.push_back(i);
       const std::vector<int> numbers = TakeAll(block);
       const bool has_put = !numbers.empty() && numbers.back() == 50;
       if (has_put) left.push_back(50);
       Expect(AreWithOrWithout(numbers, left, 0, 1), "other records");
       ExpectUsable(block, {}, 0, 99);
       return was_killed;
     }},
    {"take a long one",
     [](RingBlock* block, auto*) {
       return WithPutter(block, kLong, [&](pid_t putter) {
         const bool was_killed = KilledAfter(step, [=] { TakeUnseen(block); });
         // Another takes it, or skips what is left of it.
         int taken = -1;
         const bool is_put = Until([&] {
           // As a waiter thread, which may begin although it cannot know how
           // long it takes.
           truefork::Word nobody{0};
           taken = std::max(taken, Take(block, {Deadline::In(1), &nobody}));
           return HasEnded(putter);
         });
         Expect(is_put, "the one who puts waits on");
         Expect(taken == 50 || taken == -1, "another record");
         ExpectUsable(block, {}, 0, 50);
         return was_killed;
       });
     }},
    {"take where that moves the others",
     [](auto*, auto*) {
       RingBlock* block = MapLong();
       const truefork::Layout before = block->layout.load();
       const bool was_killed = KilledAfter(step, [=] { TakeUnseen(block); });
       Expect(was_killed || block->layout.load().units < before.units,
              "it is as long as before");
       ExpectUsable(block, {2, 3}, 0, 1);
       Unmap(block);
       return was_killed;
     }},
    {"put where there is no room",
     [](auto*, auto*) {
       RingBlock* block = MapFull();
       const truefork::Layout before = block->layout.load();
       const bool was_killed =
           KilledAfter(step, [=] { Put(block, 40, kGrowing, None()); });
       Expect(was_killed || block->layout.load().units > before.units,
              "it is as short as before");
       std::vector<int> left;
       for (int i = 1; i <= 35; i++) left.push_back(i);
       ExpectUsable(block, left, 35, 40);
       Unmap(block);
       return was_killed;
     }},
    {"put where there is no room, by one that is delayed",
     [](auto*, auto*) {
       RingBlock* block = MapFull();
       const uint32_t count = Ring(block).count();
       const bool was_delayed =
           DelayedAfter(step, [=] { Put(block, 40, kGrowing, None()); });
       Expect(Ring(block).count() == count + 1, "it gave up");
       Unmap(block);
       return was_delayed;
     }},
    {"put back",
     [](RingBlock* block, auto*) {
       for (uint8_t i = 1; i <= 2; i++) Put(block, i, kShort, None());
       Take(block, None());
       const std::string text = Text(1, kShort);
       const bool was_killed = KilledAfter(step, [&] {
         Ring(block).PutBack(
             {1, reinterpret_cast<const uint8_t*>(text.data()), kShort});
       });
       ExpectUsable(block, {2}, 0, 1);
       return was_killed;
     }},
};

void RunAll(long stride, long first) {  // NOLINT(google-runtime-int)
  for (const Scenario& each : kScenarios) {
    scenario = each.name;
    int kills = 0;
    bool was_killed = true;
    for (step = first; was_killed; step += stride, kills++) {
      RingBlock* block = Map(kSize);
      auto* seen = static_cast<std::atomic<int>*>(
          mmap(nullptr, 1024, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS, -1, 0));
      was_killed = each.run(block, seen);
      munmap(seen, 1024);
      Unmap(block);
    }
    printf("%s: %d\n", each.name, kills);
    fflush(stdout);
  }
}

}  // namespace

int main(int count, char** arguments) {
  const long stride = count > 1 ? atol(arguments[1]) : 1;  // NOLINT
  const long first = count > 2 ? atol(arguments[2]) : 0;   // NOLINT
  Prepare();
  RunAll(stride, first);
}
