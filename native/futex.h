// A word in memory that threads can sleep on. Unlike a condition variable it
// keeps no list of sleepers in user space, so a forked child, where the
// sleepers do not exist, can use the same word without waiting for them.
#pragma once

#include <atomic>
#include <cstdint>

namespace truefork {

// Sleeps while `word` holds `expected`, at most `timeout_ms` (-1: for ever).
// May wake early: look at the word again.
void FutexWait(std::atomic<int32_t>* word, int32_t expected, int timeout_ms);

// Wakes every thread of this process that sleeps on `word`.
void FutexWakeAll(std::atomic<int32_t>* word);

}  // namespace truefork
