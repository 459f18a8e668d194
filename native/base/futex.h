// Words in memory that threads sleep on, be they of one process or of several.
// Unlike a condition variable a word keeps no list of sleepers in user space: a
// forked child, where the sleepers do not exist, can use it without waiting for
// them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>

namespace truefork {

using Word = std::atomic<int32_t>;

// A time of CLOCK_MONOTONIC to wait until, or never.
class Deadline {
 public:
  static Deadline Never() { return Deadline{}; }
  static Deadline In(double milliseconds);

  [[nodiscard]] bool IsOver() const;
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

// Between two looks at a word.
void RelaxProcessor();

struct Watched {
  Word* word;
  int32_t expected;
};

// The most words that a thread can sleep on at once.
constexpr size_t kMaxWatched = 128;

// Sleeps until one of the words is not as expected, somebody wakes those that
// sleep on it, or the deadline is over. May return early. Returns whether it is
// certain that a wake-up for the first of the words was why, and for no other.
bool Sleep(const Watched* watched, size_t count, const Deadline& until);

// Wakes up to `most` of those who sleep on the word, in any process. Returns
// how many.
int Wake(Word* word, int most);

}  // namespace truefork
