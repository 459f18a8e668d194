// Words in memory that threads sleep on, be they of one process or of several.
// Unlike a condition variable a word keeps no list of sleepers in user space: a
// forked child, where the sleepers do not exist, can use it without waiting for
// them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/deadline.h"

namespace truefork {

using Word = std::atomic<int32_t>;

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
