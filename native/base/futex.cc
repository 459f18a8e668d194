#include "base/futex.h"

#include <algorithm>
#include <cerrno>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__APPLE__)
extern "C" int __ulock_wait(uint32_t operation, void* word, uint64_t value,
                            uint32_t timeout_us);
extern "C" int __ulock_wake(uint32_t operation, void* word, uint64_t value);
#endif

namespace truefork {

namespace {

// How long to look away from the other words where a thread can sleep on one
// only: Linux before 5.16, macOS.
constexpr double kSliceMs = 10;

}  // namespace

void RelaxProcessor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

#if defined(__linux__)

namespace {

// Since Linux 5.16; the headers may be older.
#if defined(SYS_futex_waitv)
constexpr long kFutexWaitv = SYS_futex_waitv;  // NOLINT(google-runtime-int)
#else
constexpr long kFutexWaitv = 449;  // NOLINT(google-runtime-int)
#endif

struct FutexWaiter {
  uint64_t value;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
};

bool SleepOnOne(const Watched& watched, const Deadline& until) {
  return syscall(SYS_futex, watched.word, FUTEX_WAIT_BITSET, watched.expected,
                 until.OrNull(), nullptr, FUTEX_BITSET_MATCH_ANY) == 0;
}

// Returns the index of the word whose sleepers were woken, or a negative errno.
// Of several such words it is the last.
int SleepOnAll(const Watched* watched, size_t count, const Deadline& until) {
  constexpr uint32_t kSize32 = 2;
  FutexWaiter waiters[kMaxWatched];
  for (size_t i = 0; i < count; i++) {
    waiters[i] = {static_cast<uint32_t>(watched[i].expected),
                  reinterpret_cast<uint64_t>(watched[i].word), kSize32, 0};
  }
  const auto woken = static_cast<int>(
      syscall(kFutexWaitv, waiters, count, 0, until.OrNull(), CLOCK_MONOTONIC));
  return woken >= 0 ? woken : -errno;
}

}  // namespace

bool Sleep(const Watched* watched, size_t count, const Deadline& until) {
  if (count == 1) return SleepOnOne(watched[0], until);
  const int woken = SleepOnAll(watched, std::min(count, kMaxWatched), until);
  // Kernels say ENOSYS where there is no such call, sandboxes what they like.
  const bool is_there =
      woken >= 0 || woken == -EAGAIN || woken == -EINTR || woken == -ETIMEDOUT;
  if (!is_there) SleepOnOne(watched[0], until.ButWithin(kSliceMs));
  return woken == 0;
}

int Wake(Word* word, int most) {
  return static_cast<int>(
      syscall(SYS_futex, word, FUTEX_WAKE, most, nullptr, nullptr, 0));
}

#elif defined(__APPLE__)

namespace {

constexpr uint32_t kCompareAndWaitShared = 3;
constexpr uint32_t kWakeAll = 0x100;

}  // namespace

bool Sleep(const Watched* watched, size_t, const Deadline& until) {
  // Slices, for a holder that dies is not told by the kernel, either.
  if (until.ButWithin(kSliceMs).IsOver()) return false;
  constexpr auto kSliceUs = static_cast<uint32_t>(kSliceMs * 1000);
  __ulock_wait(kCompareAndWaitShared, watched[0].word,
               static_cast<uint32_t>(watched[0].expected), kSliceUs);
  return false;
}

int Wake(Word* word, int most) {
  const uint32_t all = most > 1 ? kWakeAll : 0;
  return __ulock_wake(kCompareAndWaitShared | all, word, 0) == 0 ? 1 : 0;
}

#endif

}  // namespace truefork
