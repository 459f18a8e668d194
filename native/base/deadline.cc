#include "base/deadline.h"

#include <algorithm>
#include <climits>
#include <cstdint>

namespace truefork {

namespace {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr int64_t kNanosecondsPerMillisecond = 1'000'000;

timespec Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now;
}

bool IsEarlier(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

}  // namespace

Deadline Deadline::In(double milliseconds) {
  constexpr double kMaxMs = 1e12;
  Deadline deadline;
  if (!(milliseconds < kMaxMs)) return deadline;
  deadline.is_never_ = false;
  deadline.time_ = Now();
  const auto nanoseconds =
      static_cast<int64_t>(milliseconds * kNanosecondsPerMillisecond) +
      deadline.time_.tv_nsec;
  deadline.time_.tv_sec += nanoseconds / kNanosecondsPerSecond;
  deadline.time_.tv_nsec = nanoseconds % kNanosecondsPerSecond;
  return deadline;
}

Deadline Deadline::InOrNever(double milliseconds) {
  return milliseconds < 0 ? Never() : In(milliseconds);
}

bool Deadline::IsOver() const { return !is_never_ && !IsEarlier(Now(), time_); }

int Deadline::ForPoll() const {
  if (is_never_) return -1;
  const timespec now = Now();
  if (!IsEarlier(now, time_)) return 0;
  const auto left = (static_cast<int64_t>(time_.tv_sec) - now.tv_sec) *
                        kNanosecondsPerSecond +
                    (time_.tv_nsec - now.tv_nsec);
  const int64_t milliseconds = (left - 1) / kNanosecondsPerMillisecond + 1;
  return static_cast<int>(std::min(milliseconds, int64_t{INT_MAX}));
}

bool Deadline::IsBefore(const Deadline& other) const {
  if (is_never_) return false;
  return other.is_never_ || IsEarlier(time_, other.time_);
}

Deadline Deadline::ButWithin(double milliseconds) const {
  const Deadline soon = In(milliseconds);
  return IsBefore(soon) ? *this : soon;
}

}  // namespace truefork
