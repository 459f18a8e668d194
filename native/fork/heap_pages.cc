#include "fork/heap_pages.h"

#if defined(__linux__)
#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>
#elif defined(__APPLE__)
#include <mach/mach.h>
#include <mach/mach_vm.h>

#include <cerrno>
#endif

namespace truefork {

#if defined(__linux__)

namespace {

struct Range {
  uintptr_t low;
  uintptr_t high;
};

struct Mapping {
  Range range;
  // The memory of this process alone, and not one of the kernel's own mappings
  // such as [vvar].
  bool is_private;
};

// A line of /proc/self/maps: "low-high rwxp offset device inode   name".
Mapping ParseMapping(const char* line) {
  constexpr int kHexadecimal = 16;
  constexpr int kPrivateOrShared = 3;
  char* end = nullptr;
  const uintptr_t low = strtoull(line, &end, kHexadecimal);
  const uintptr_t high = strtoull(end + 1, &end, kHexadecimal);
  const char* permissions = end + 1;
  const bool is_private = permissions[kPrivateOrShared] == 'p' &&
                          strstr(permissions, " [v") == nullptr;
  return {{low, high}, is_private};
}

std::vector<Mapping> ReadMappings() {
  constexpr size_t kMaxLine = 4352;  // PATH_MAX and the columns before it
  std::vector<Mapping> mappings;
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == nullptr) return mappings;
  char line[kMaxLine];
  while (fgets(line, sizeof line, maps) != nullptr)
    mappings.push_back(ParseMapping(line));
  fclose(maps);
  return mappings;
}

// The ranges between the mappings that are not private: few of them, holes
// included, and new pages will fall into them.
std::vector<Range> RangesBetween(const std::vector<Mapping>& mappings) {
  constexpr uintptr_t kBottom = 0x10000;
  constexpr uintptr_t kTop = UINTPTR_MAX / 2 & ~uintptr_t{0xffff};
  std::vector<Range> ranges;
  uintptr_t low = kBottom;
  for (const Mapping& mapping : mappings) {
    if (mapping.is_private || mapping.range.low >= kTop) continue;
    if (mapping.range.low > low) ranges.push_back({low, mapping.range.low});
    low = mapping.range.high;
  }
  ranges.push_back({low, kTop});
  return ranges;
}

bool MakeInheritable(const Range& range) {
  // ENOMEM says that there were holes; everything between them was done.
  return madvise(reinterpret_cast<void*>(range.low), range.high - range.low,
                 MADV_DOFORK) == 0 ||
         errno == ENOMEM;
}

bool MakeAllInheritable(const std::vector<Range>& ranges) {
  for (const Range& range : ranges)
    if (!MakeInheritable(range)) return false;
  return !ranges.empty();
}

}  // namespace

int MakeHeapInheritable() {
  // A call over a wide range costs a tenth of one for each mapping in it. It
  // fails at the kernel's own mappings ([vvar], the rings of io_uring), but
  // these hardly ever move: the ranges between them serve fork after fork.
  static std::vector<Range> wide_ranges;
  if (MakeAllInheritable(wide_ranges)) return 0;
  const std::vector<Mapping> mappings = ReadMappings();
  if (mappings.empty()) return -errno;
  wide_ranges = RangesBetween(mappings);
  if (MakeAllInheritable(wide_ranges)) return 0;
  // A private mapping that the kernel refuses is none of V8's.
  for (const Mapping& mapping : mappings)
    if (mapping.is_private) MakeInheritable(mapping.range);
  return 0;
}

#elif defined(__APPLE__)

// Only the copy of V8's builtins that Node on x64 maps beside its code range is
// VM_INHERIT_NONE here. Untested.
int MakeHeapInheritable() {
  mach_vm_address_t address = 0;
  for (;;) {
    mach_vm_size_t size = 0;
    vm_region_basic_info_data_64_t region{};
    mach_msg_type_number_t count = VM_REGION_BASIC_INFO_COUNT_64;
    mach_port_t object = MACH_PORT_NULL;
    if (mach_vm_region(mach_task_self(), &address, &size,
                       VM_REGION_BASIC_INFO_64,
                       reinterpret_cast<vm_region_info_t>(&region), &count,
                       &object) != KERN_SUCCESS) {
      return 0;
    }
    if (region.inheritance == VM_INHERIT_NONE &&
        mach_vm_inherit(mach_task_self(), address, size, VM_INHERIT_COPY) !=
            KERN_SUCCESS) {
      return -ENOMEM;
    }
    address += size;
  }
}

#endif

}  // namespace truefork
