// Where the stack of the running thread lies. Local variables of Node's and
// libuv's own frames are nowhere else, so some have to be looked for there.
#pragma once

#include <cstdint>

namespace truefork {

struct StackRange {
  uintptr_t low;
  uintptr_t high;  // not included

  [[nodiscard]] bool Contains(uintptr_t address) const {
    return address >= low && address < high;
  }
};

// All of it.
StackRange WholeStack();

// The words from the caller's frame to the first. For the main thread.
StackRange WordsOfStack();

}  // namespace truefork
