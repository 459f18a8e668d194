#include "shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <unordered_map>

#include "result.h"

namespace truefork {

namespace {

// What an ArrayBuffer lies over. Deleted by the buffer's finalizer, which may
// run long after munmap().
struct Mapping {
  void* address;
  size_t length;
};

using Mappings = std::unordered_map<void*, Mapping*>;

// Those that are mapped, by address: `buffer.transfer()` makes another object
// of the same memory. One table for each thread, because such ArrayBuffers do
// not leave theirs; never destroyed, because finalizers run at the very end.
Mappings& MappingsOfThread() {
  thread_local auto* mappings = new Mappings;
  return *mappings;
}

int Release(Mapping* mapping) {
  MappingsOfThread().erase(mapping->address);
  const int returned = munmap(mapping->address, mapping->length);
  mapping->address = nullptr;
  return returned;
}

// Nothing refers to the memory any more.
void Finalize(napi_env /*env*/, void* /*data*/, void* hint) {
  auto* mapping = static_cast<Mapping*>(hint);
  if (mapping->address != nullptr) Release(mapping);
  delete mapping;
}

size_t Size(const Napi::Value& value) {
  return static_cast<size_t>(value.As<Napi::Number>().Int64Value());
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
  auto* mapping = new Mapping{address, length};
  napi_value buffer = nullptr;
  if (napi_create_external_arraybuffer(env, address, length, Finalize, mapping,
                                       &buffer) != napi_ok) {
    // A build of V8 that wants all buffers in a range of addresses of its own.
    munmap(address, length);
    delete mapping;
    errno = ENOTSUP;
    return Result(env, -1);
  }
  MappingsOfThread().emplace(address, mapping);
  return {env, buffer};
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
  exports["shmOpen"] = Napi::Function::New<ShmOpen>(env, "shmOpen");
  exports["shmUnlink"] = Napi::Function::New<ShmUnlink>(env, "shmUnlink");
  exports["ftruncate"] = Napi::Function::New<Truncate>(env, "ftruncate");
}

}  // namespace truefork
