// The words on this thread's stack, for looking at what Node's and libuv's own
// frames hold: state that they keep in local variables is nowhere else.
#pragma once

#include <cstdint>

namespace truefork {

struct StackWords {
  uintptr_t low;
  uintptr_t high;  // not included
};

// From the caller's frame to the first. Call it from the main thread.
StackWords WordsOfStack();

}  // namespace truefork
