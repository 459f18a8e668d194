// Shared memory that processes can map by its descriptor, also those that are
// no children.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace truefork {

struct ShareableMemory {
  void* address = nullptr;
  size_t length = 0;
  // For other processes; -1: none.
  int fd = -1;
  // By which the memory is known, whatever becomes of the descriptor's number.
  dev_t device = 0;
  ino_t inode = 0;

  // Somebody may have closed the descriptor, and its number may be something
  // else.
  [[nodiscard]] bool HasDescriptor() const;
};

// Maps new memory, all zeros, which has a descriptor if there may be one more.
// False and errno.
bool MapNew(size_t length, ShareableMemory* memory);
// Maps all of the memory that somebody has made with MapNew(). Takes the
// descriptor, unless it returns false and errno.
bool MapReceived(int fd, ShareableMemory* memory);
// Closes the descriptor, too. 0, or -1 and errno.
int Unmap(ShareableMemory* memory);

}  // namespace truefork
