// Takes the place of single virtual functions of one object of Node's.
//
// It relies on the order of virtual functions: guarded by
// test/fork/child/platform-tasks.
#pragma once

#include <initializer_list>

namespace truefork {

struct Replacement {
  const void* function;
  const void* replacement;
};

// Gives the object, or the part of one that begins there, a virtual table of
// its own, in which these functions are replaced. For as long as the process
// lives. Returns whether all of them were there.
bool ReplaceVirtual(void* object, std::initializer_list<Replacement> all);

template <typename Function>
const void* Address(Function* function) {
  return reinterpret_cast<const void*>(function);
}

}  // namespace truefork
