// Shared memory that processes can map by its descriptor, also those that are
// no children.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>

namespace truefork {

// Owns a mapping and its descriptor. Locks of this thread may lie in it that
// the kernel is to pass on when the thread ends: so nothing else unmaps memory
// of locks.
class ShareableMemory {
 public:
  ShareableMemory() = default;
  // A mapping without a descriptor; `why` is a negative errno.
  ShareableMemory(void* address, size_t length, int why = -EBADF)
      : address_(address), length_(length), fd_(why) {}
  // A mapping of all of that file.
  ShareableMemory(void* address, int fd, const struct stat& file);
  ~ShareableMemory() { Unmap(); }
  ShareableMemory(ShareableMemory&& other) noexcept { Swap(&other); }
  ShareableMemory& operator=(ShareableMemory&& other) noexcept {
    Swap(&other);
    return *this;
  }
  ShareableMemory(const ShareableMemory&) = delete;
  ShareableMemory& operator=(const ShareableMemory&) = delete;

  [[nodiscard]] void* address() const { return address_; }
  [[nodiscard]] size_t length() const { return length_; }
  // For other processes to map it. A negative errno: it has none, and why.
  [[nodiscard]] int descriptor() const;
  // Whether this is a mapping of that file.
  [[nodiscard]] bool IsOf(const struct stat& file) const;

  // Gives both back. 0, or -1 and errno.
  int Unmap();

 private:
  void Swap(ShareableMemory* other);

  void* address_ = nullptr;
  size_t length_ = 0;
  int fd_ = -EBADF;
  // By which the memory is known, whatever becomes of the descriptor's number.
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// Maps new memory, all zeros, which has a descriptor if there may be one more.
// False and errno.
bool MapNew(size_t length, ShareableMemory* memory);
// Maps all of the memory that somebody has made with MapNew(). Takes the
// descriptor, unless it returns false and errno.
bool MapReceived(int fd, ShareableMemory* memory);

}  // namespace truefork
