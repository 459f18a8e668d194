// The one clock of all waits, and how long they may take.
#pragma once

#include <ctime>

namespace truefork {

// A time of CLOCK_MONOTONIC to wait until, or never.
class Deadline {
 public:
  static Deadline Never() { return Deadline{}; }
  static Deadline In(double milliseconds);

  // In so many milliseconds; never, if that is negative.
  static Deadline InOrNever(double milliseconds);

  [[nodiscard]] bool IsOver() const;
  // Rounded up, and never more than an int: as poll(2) takes it.
  [[nodiscard]] int ForPoll() const;
  [[nodiscard]] bool IsNever() const { return is_never_; }
  [[nodiscard]] const timespec* OrNull() const {
    return is_never_ ? nullptr : &time_;
  }
  // This one, or one so soon if that is earlier.
  [[nodiscard]] Deadline ButWithin(double milliseconds) const;

 private:
  [[nodiscard]] bool IsBefore(const Deadline& other) const;

  bool is_never_ = true;
  timespec time_{};
};

}  // namespace truefork
