#include "futex.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>
#elif defined(__APPLE__)
// What libc++ builds std::atomic::wait on; declared in no public header.
extern "C" int __ulock_wait(uint32_t operation, void* word, uint64_t value,
                            uint32_t timeout_us);
extern "C" int __ulock_wake(uint32_t operation, void* word, uint64_t value);
#endif

namespace truefork {

#if defined(__linux__)

void FutexWait(std::atomic<int32_t>* word, int32_t expected, int timeout_ms) {
  timespec timeout{timeout_ms / 1000, (timeout_ms % 1000) * 1000000L};
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected,
          timeout_ms < 0 ? nullptr : &timeout, nullptr, 0);
}

void FutexWakeAll(std::atomic<int32_t>* word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

#elif defined(__APPLE__)

constexpr uint32_t kCompareAndWait = 1;
constexpr uint32_t kWakeAll = 0x100;

void FutexWait(std::atomic<int32_t>* word, int32_t expected, int timeout_ms) {
  // Here zero means "for ever".
  const uint32_t timeout_us = timeout_ms < 0 ? 0 : timeout_ms * 1000U + 1U;
  __ulock_wait(kCompareAndWait, word, static_cast<uint32_t>(expected),
               timeout_us);
}

void FutexWakeAll(std::atomic<int32_t>* word) {
  __ulock_wake(kCompareAndWait | kWakeAll, word, 0);
}

#endif

}  // namespace truefork
