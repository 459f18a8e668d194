#include "node/virtual_table.h"

#include <algorithm>
#include <cstddef>

namespace truefork {

namespace {

// More than the classes concerned have. Behind a table lies another one.
constexpr size_t kFunctions = 16;
// The offset of the part in its object, and the type, precede the functions.
constexpr size_t kHeader = 2;

}  // namespace

bool ReplaceVirtual(void* object, std::initializer_list<Replacement> all) {
  auto** const place = static_cast<const void***>(object);
  const void* const* const from = *place - kHeader;
  auto** table = new const void*[kHeader + kFunctions];
  std::copy_n(from, kHeader + kFunctions, table);
  const void** const functions = table + kHeader;
  for (const Replacement& one : all) {
    const void** const slot =
        std::find(functions, functions + kFunctions, one.function);
    if (slot == functions + kFunctions) return false;
    *slot = one.replacement;
  }
  *place = functions;
  return true;
}

}  // namespace truefork
