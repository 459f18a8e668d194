#include "shareable_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>

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
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  return static_cast<rlim_t>(descriptors.load()) < limit.rlim_cur / kShare;
}

// Beyond the limit it would be a signal.
bool MayBeFile(size_t length) {
  rlimit limit{};
  return getrlimit(RLIMIT_FSIZE, &limit) == 0 && length <= limit.rlim_cur;
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

// The descriptor becomes the memory's, unless it returns false and errno.
bool MapFile(int fd, ShareableMemory* memory) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return false;
  const auto length = static_cast<size_t>(status.st_size);
  void* address = mmap(nullptr, length, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (address == MAP_FAILED) return false;
  *memory = {address, length, fd, status.st_dev, status.st_ino};
  descriptors++;
  return true;
}

bool MapNewFile(size_t length, ShareableMemory* memory) {
  if (!MayKeepDescriptor() || !MayBeFile(length)) return false;
  const int fd = MakeFile();
  if (fd < 0) return false;
  if (ftruncate(fd, static_cast<off_t>(length)) == 0 && SealSize(fd) &&
      MapFile(fd, memory))
    return true;
  close(fd);
  return false;
}

}  // namespace

bool ShareableMemory::HasDescriptor() const {
  struct stat now {};
  return fd >= 0 && fstat(fd, &now) == 0 && now.st_dev == device &&
         now.st_ino == inode;
}

bool MapNew(size_t length, ShareableMemory* memory) {
  if (MapNewFile(length, memory)) return true;
  void* address = mmap(nullptr, length, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return false;
  *memory = {address, length};
  return true;
}

bool MapReceived(int fd, ShareableMemory* memory) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return false;
  if (HasSealedSize(fd) && status.st_size > 0) return MapFile(fd, memory);
  errno = EINVAL;
  return false;
}

int Unmap(ShareableMemory* memory) {
  if (memory->fd >= 0) descriptors--;
  if (memory->HasDescriptor()) close(memory->fd);
  const int returned = munmap(memory->address, memory->length);
  *memory = {};
  return returned;
}

}  // namespace truefork
