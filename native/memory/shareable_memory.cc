#include "memory/shareable_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <utility>

#include "sync/robust_list.h"

namespace truefork {

namespace {

#if !defined(MAP_NORESERVE)
#define MAP_NORESERVE 0
#endif

// How many descriptors this process keeps with memory.
std::atomic<int> descriptors;

// Most descriptors are for others than us.
bool MayKeepDescriptor() {
  constexpr rlim_t kShare = 4;
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
         static_cast<rlim_t>(descriptors.load()) < limit.rlim_cur / kShare;
}

// Beyond the limit it would be a signal.
bool MayBeFile(size_t length) {
  rlimit limit{};
  return getrlimit(RLIMIT_FSIZE, &limit) != 0 || length <= limit.rlim_cur;
}

// New memory without a name. -1 and errno.
int MakeFile() {
#if defined(__linux__)
#if !defined(MFD_NOEXEC_SEAL)
  constexpr unsigned kNoExec = 8;
#else
  constexpr unsigned kNoExec = MFD_NOEXEC_SEAL;
#endif
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const int fd = memfd_create("truefork", kFlags | kNoExec);
  // Linux before 6.3 does not know of that.
  if (fd >= 0 || errno != EINVAL) return fd;
  return memfd_create("truefork", kFlags);
#else
  static std::atomic<int> number;
  const std::string name =
      "/truefork-" + std::to_string(getpid()) + "-" + std::to_string(number++);
  const int fd = shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  if (fd >= 0) shm_unlink(name.c_str());
  return fd;
#endif
}

// Nobody can make it shorter, which would kill those who use it.
bool SealSize(int fd) {
#if defined(__linux__)
  return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
#else
  return fd >= 0;
#endif
}

bool HasSealedSize(int fd) {
#if defined(__linux__)
  const int seals = fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
#else
  return fd >= 0;
#endif
}

// New memory of that length. A descriptor, or a negative errno.
int MakeFileOf(size_t length) {
  if (!MayKeepDescriptor()) return -EMFILE;
  if (!MayBeFile(length)) return -EFBIG;
  const int fd = MakeFile();
  if (fd < 0) return -errno;
  if (ftruncate(fd, static_cast<off_t>(length)) == 0 && SealSize(fd)) return fd;
  const int error = -errno;
  close(fd);
  return error;
}

// The descriptor becomes the memory's, unless it returns false and errno.
bool MapFile(int fd, ShareableMemory* memory) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return false;
  void* address =
      mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ | PROT_WRITE,
           MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (address == MAP_FAILED) return false;
  *memory = ShareableMemory(address, fd, status);
  return true;
}

}  // namespace

ShareableMemory::ShareableMemory(void* address, int fd, const struct stat& file)
    : address_(address),
      length_(static_cast<size_t>(file.st_size)),
      fd_(fd),
      device_(file.st_dev),
      inode_(file.st_ino) {
  descriptors++;
}

int ShareableMemory::descriptor() const {
  struct stat now {};
  if (fd_ < 0) return fd_;
  // Somebody may have closed it, and its number may be something else.
  return fstat(fd_, &now) == 0 && IsOf(now) ? fd_ : -EBADF;
}

bool ShareableMemory::IsOf(const struct stat& file) const {
  return fd_ >= 0 && device_ == file.st_dev && inode_ == file.st_ino;
}

int ShareableMemory::Unmap() {
  if (address_ == nullptr) return 0;
  RobustList::OfThisThread().RemoveWithin(address_, length_);
  if (descriptor() >= 0) close(fd_);
  if (fd_ >= 0) descriptors--;
  fd_ = -EBADF;
  return munmap(std::exchange(address_, nullptr), length_);
}

void ShareableMemory::Swap(ShareableMemory* other) {
  std::swap(address_, other->address_);
  std::swap(length_, other->length_);
  std::swap(fd_, other->fd_);
  std::swap(device_, other->device_);
  std::swap(inode_, other->inode_);
}

bool MapNew(size_t length, ShareableMemory* memory) {
  const int fd = MakeFileOf(length);
  if (fd >= 0 && MapFile(fd, memory)) return true;
  const int why = fd >= 0 ? -errno : fd;
  if (fd >= 0) close(fd);
  void* address = mmap(nullptr, length, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return false;
  *memory = ShareableMemory(address, length, why);
  return true;
}

bool MapReceived(int fd, ShareableMemory* memory) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return false;
  if (HasSealedSize(fd) && status.st_size > 0) return MapFile(fd, memory);
  errno = EINVAL;
  return false;
}

}  // namespace truefork
