// Looking again and again for what another process is about to do, for about as
// long as a wake-up takes, before the thread goes to sleep.
#pragma once

#include <algorithm>

#include "base/futex.h"

namespace truefork {

// For one wait. If that was in vain the next ones of this thread are shorter:
// the other may need the processor that looks for it. Now and then one is as
// long as at first.
class Spinner {
 public:
  Spinner() : left_(patience) {}
  Spinner(const Spinner&) = delete;
  Spinner& operator=(const Spinner&) = delete;
  ~Spinner() {
    const bool was_needed = left_ < patience;
    if (left_ > 0 && was_needed) patience = std::min(patience * 2, kMost);
    if (left_ > 0) return;
    patience = std::max(patience / 2, kLeast);
    if (++in_vain % kPause == 0) patience = kMost;
  }

  // After each look: false if it is time to sleep.
  bool Spin() {
    if (left_ == 0) return false;
    left_--;
    RelaxProcessor();
    return true;
  }

 private:
  static constexpr int kMost = 400;
  static constexpr int kLeast = 10;
  static constexpr int kPause = 100;

  static inline thread_local int patience = kMost;
  static inline thread_local int in_vain = 0;

  int left_;
};

}  // namespace truefork
