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
  Spinner() : left_(max_spins) {}
  Spinner(const Spinner&) = delete;
  Spinner& operator=(const Spinner&) = delete;
  ~Spinner() {
    const bool was_needed = left_ < max_spins;
    if (left_ > 0 && was_needed) max_spins = std::min(max_spins * 2, kMaxSpins);
    if (left_ > 0) return;
    max_spins = std::max(max_spins / 2, kMinSpins);
    if (++in_vain % kMaxInVain == 0) max_spins = kMaxSpins;
  }

  // After each look: false if it is time to sleep.
  bool Spin() {
    if (left_ == 0) return false;
    left_--;
    RelaxProcessor();
    return true;
  }

 private:
  static constexpr int kMaxSpins = 400;
  static constexpr int kMinSpins = 10;
  static constexpr int kMaxInVain = 100;

  static inline thread_local int max_spins = kMaxSpins;
  static inline thread_local int in_vain = 0;

  int left_;
};

}  // namespace truefork
