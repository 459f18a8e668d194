#include "shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <unordered_map>

#include "result.h"

namespace truefork {

namespace {

// What an ArrayBuffer lies over. Deleted by the buffer's finalizer, which may
// run long after munmap().
struct Mapping {
  void* address = nullptr;
  size_t length = 0;
  // Of the memory, for other processes to map it; -1: none.
  int fd = -1;
  // By which the memory is known, whatever becomes of the descriptor's number.
  dev_t device = 0;
  ino_t inode = 0;
  // Weak.
  napi_ref buffer = nullptr;
};

using Mappings = std::unordered_map<void*, Mapping*>;

// Those that are mapped, by address: `buffer.transfer()` makes another object
// of the same memory. One table for each thread, because such ArrayBuffers do
// not leave theirs; never destroyed, because finalizers run at the very end.
Mappings& MappingsOfThread() {
  thread_local auto* mappings = new Mappings;
  return *mappings;
}

// How many descriptors are kept with mappings.
int& DescriptorsOfThread() {
  thread_local int count = 0;
  return count;
}

// Somebody may have closed the descriptor, and its number may be something
// else.
bool HasDescriptor(const Mapping& mapping) {
  struct stat now {};
  return mapping.fd >= 0 && fstat(mapping.fd, &now) == 0 &&
         now.st_dev == mapping.device && now.st_ino == mapping.inode;
}

int Release(Mapping* mapping) {
  MappingsOfThread().erase(mapping->address);
  if (mapping->fd >= 0) DescriptorsOfThread()--;
  if (HasDescriptor(*mapping)) close(mapping->fd);
  mapping->fd = -1;
  const int returned = munmap(mapping->address, mapping->length);
  mapping->address = nullptr;
  return returned;
}

// Nothing refers to the memory any more.
void Finalize(napi_env env, void* /*data*/, void* hint) {
  auto* mapping = static_cast<Mapping*>(hint);
  if (mapping->address != nullptr) Release(mapping);
  if (mapping->buffer != nullptr) napi_delete_reference(env, mapping->buffer);
  delete mapping;
}

size_t Size(const Napi::Value& value) {
  return static_cast<size_t>(value.As<Napi::Number>().Int64Value());
}

// An ArrayBuffer over memory that was mapped, or a negative errno.
Napi::Value BufferOver(Napi::Env env, const Mapping& memory) {
  auto* mapping = new Mapping(memory);
  napi_value buffer = nullptr;
  if (napi_create_external_arraybuffer(env, mapping->address, mapping->length,
                                       Finalize, mapping, &buffer) != napi_ok) {
    // A build of V8 that wants all buffers in a range of addresses of its own.
    munmap(mapping->address, mapping->length);
    delete mapping;
    errno = ENOTSUP;
    return Result(env, -1);
  }
  if (mapping->fd >= 0) {
    napi_create_reference(env, buffer, 0, &mapping->buffer);
    DescriptorsOfThread()++;
  }
  MappingsOfThread().emplace(mapping->address, mapping);
  return {env, buffer};
}

// mmap(length, protection, flags, descriptor, offset): an ArrayBuffer over the
// mapping, or a negative errno.
Napi::Value Map(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const size_t length = Size(info[0]);
  const auto offset =
      static_cast<off_t>(info[4].As<Napi::Number>().Int64Value());
  void* address =
      mmap(nullptr, length, Int(info, 1), Int(info, 2), Int(info, 3), offset);
  if (address == MAP_FAILED) return Result(env, -1);
  return BufferOver(env, {address, length});
}

// Most descriptors are for others than us.
bool MayKeepDescriptor() {
  constexpr rlim_t kShare = 4;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  return static_cast<rlim_t>(DescriptorsOfThread()) < limit.rlim_cur / kShare;
}

// New memory without a name. -1 and errno.
int MakeMemory() {
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
  static int number = 0;
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

// Maps the whole memory behind a descriptor, which becomes the mapping's.
// False and errno; then the descriptor is still the caller's.
bool MapWhole(int fd, Mapping* mapping) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return false;
  const auto length = static_cast<size_t>(status.st_size);
  void* address =
      mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return false;
  *mapping = {address, length, fd, status.st_dev, status.st_ino};
  return true;
}

// mapShareable(length): new memory that has a descriptor, if there may be one
// more; else without. An ArrayBuffer, or a negative errno.
Napi::Value MapShareable(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const size_t length = Size(info[0]);
  if (MayKeepDescriptor()) {
    const int fd = MakeMemory();
    Mapping mapping;
    if (fd >= 0 && ftruncate(fd, static_cast<off_t>(length)) == 0 &&
        SealSize(fd) && MapWhole(fd, &mapping))
      return BufferOver(env, mapping);
    if (fd >= 0) close(fd);
  }
  void* address = mmap(nullptr, length, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return Result(env, -1);
  return BufferOver(env, {address, length});
}

// descriptorOfMapping(ArrayBuffer): the descriptor, or -EBADF: it has none.
Napi::Value DescriptorOfMapping(const Napi::CallbackInfo& info) {
  const auto found =
      MappingsOfThread().find(info[0].As<Napi::ArrayBuffer>().Data());
  const bool has_one =
      found != MappingsOfThread().end() && HasDescriptor(*found->second);
  return Napi::Number::New(info.Env(), has_one ? found->second->fd : -EBADF);
}

// The buffer over memory that this thread has mapped already, or null.
napi_value FindBuffer(Napi::Env env, const struct stat& memory) {
  for (const auto& entry : MappingsOfThread()) {
    const Mapping* mapping = entry.second;
    if (mapping->fd < 0 || mapping->device != memory.st_dev ||
        mapping->inode != memory.st_ino)
      continue;
    napi_value buffer = nullptr;
    napi_get_reference_value(env, mapping->buffer, &buffer);
    void* data = nullptr;
    size_t length = 0;
    if (buffer != nullptr &&
        napi_get_arraybuffer_info(env, buffer, &data, &length) == napi_ok &&
        data == mapping->address)
      return buffer;
  }
  return nullptr;
}

// mapDescriptor(fd, fresh): the memory that somebody else has made with
// mapShareable(); unless `fresh`, as it is mapped already, if it is. Takes the
// descriptor if it returns an ArrayBuffer; else a negative errno.
Napi::Value MapDescriptor(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Int(info, 0);
  const bool fresh = info[1].As<Napi::Boolean>();
  struct stat status {};
  if (fstat(fd, &status) != 0) return Result(env, -1);
  if (!HasSealedSize(fd) || status.st_size <= 0) {
    errno = EINVAL;
    return Result(env, -1);
  }
  napi_value known = fresh ? nullptr : FindBuffer(env, status);
  if (known != nullptr) {
    close(fd);
    return {env, known};
  }
  Mapping mapping;
  if (!MapWhole(fd, &mapping)) return Result(env, -1);
  return BufferOver(env, mapping);
}

// munmap(ArrayBuffer): from here on the buffer has no bytes.
Napi::Value Unmap(const Napi::CallbackInfo& info) {
  auto buffer = info[0].As<Napi::ArrayBuffer>();
  const auto found = MappingsOfThread().find(buffer.Data());
  if (found == MappingsOfThread().end()) {
    errno = EINVAL;
    return Result(info.Env(), -1);
  }
  // First unmapped: a finalizer that comes with the detaching finds that done.
  const Napi::Value result = Result(info.Env(), Release(found->second));
  buffer.Detach();
  return result;
}

std::string Name(const Napi::CallbackInfo& info) {
  return info[0].As<Napi::String>();
}

// shmOpen(name, flags, mode). The C library makes it close-on-exec.
Napi::Value ShmOpen(const Napi::CallbackInfo& info) {
  const std::string name = Name(info);
  return Result(info.Env(), Retry([&] {
                  return shm_open(name.c_str(), Int(info, 1), Int(info, 2));
                }));
}

Napi::Value ShmUnlink(const Napi::CallbackInfo& info) {
  const std::string name = Name(info);
  return Result(info.Env(), Retry([&] { return shm_unlink(name.c_str()); }));
}

Napi::Value Truncate(const Napi::CallbackInfo& info) {
  const int fd = Int(info, 0);
  const auto length = static_cast<off_t>(Size(info[1]));
  return Result(info.Env(), Retry([&] { return ftruncate(fd, length); }));
}

}  // namespace

void RegisterSharedMemory(Napi::Env env, Napi::Object exports) {
  exports["mmap"] = Napi::Function::New<Map>(env, "mmap");
  exports["munmap"] = Napi::Function::New<Unmap>(env, "munmap");
  exports["mapShareable"] =
      Napi::Function::New<MapShareable>(env, "mapShareable");
  exports["descriptorOfMapping"] =
      Napi::Function::New<DescriptorOfMapping>(env, "descriptorOfMapping");
  exports["mapDescriptor"] =
      Napi::Function::New<MapDescriptor>(env, "mapDescriptor");
  exports["shmOpen"] = Napi::Function::New<ShmOpen>(env, "shmOpen");
  exports["shmUnlink"] = Napi::Function::New<ShmUnlink>(env, "shmUnlink");
  exports["ftruncate"] = Napi::Function::New<Truncate>(env, "ftruncate");
}

}  // namespace truefork
