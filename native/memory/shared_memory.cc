#include "memory/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/loop_callback.h"
#include "base/result.h"
#include "memory/shareable_memory.h"

namespace truefork {

namespace {

// The memory that an ArrayBuffer lies over. Deleted by the buffer's finalizer,
// which may run long after munmap().
struct Mapping {
  ShareableMemory memory;
  // Weak.
  napi_ref buffer = nullptr;
};

using Mappings = std::unordered_map<void*, Mapping*>;

// The mappings of this thread, by address: `buffer.transfer()` makes another
// object of the same memory. One table for each thread, because such
// ArrayBuffers do not leave theirs; never destroyed, because finalizers run at
// the very end.
Mappings& MappingsOfThread() {
  thread_local auto* mappings = new Mappings;
  return *mappings;
}

// Nothing refers to the memory any more.
void Finalize(napi_env env, void* /*data*/, void* hint) {
  auto* mapping = static_cast<Mapping*>(hint);
  if (mapping->memory.address() != nullptr)
    MappingsOfThread().erase(mapping->memory.address());
  if (mapping->buffer != nullptr) napi_delete_reference(env, mapping->buffer);
  delete mapping;
}

size_t Size(const Napi::Value& value) {
  return static_cast<size_t>(value.As<Napi::Number>().Int64Value());
}

// An ArrayBuffer over memory that was mapped, or a negative errno.
Napi::Value BufferOver(Napi::Env env, ShareableMemory memory) {
  auto* mapping = new Mapping{std::move(memory)};
  void* address = mapping->memory.address();
  napi_value buffer = nullptr;
  if (napi_create_external_arraybuffer(env, address, mapping->memory.length(),
                                       Finalize, mapping, &buffer) != napi_ok) {
    // A build of V8 that wants all buffers in a range of addresses of its own.
    delete mapping;
    errno = ENOTSUP;
    return Result(env, -1);
  }
  if (mapping->memory.descriptor() >= 0)
    napi_create_reference(env, buffer, 0, &mapping->buffer);
  MappingsOfThread().emplace(address, mapping);
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
  return BufferOver(env, ShareableMemory(address, length));
}

// mapShareable(length): new memory that has a descriptor, if there may be one
// more; else without. An ArrayBuffer, or a negative errno.
Napi::Value MapShareable(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  ShareableMemory memory;
  if (!MapNew(Size(info[0]), &memory)) return Result(env, -1);
  return BufferOver(env, std::move(memory));
}

// descriptorOfMapping(ArrayBuffer): the descriptor, or a negative errno: it has
// none, and why.
Napi::Value DescriptorOfMapping(const Napi::CallbackInfo& info) {
  const auto found =
      MappingsOfThread().find(info[0].As<Napi::ArrayBuffer>().Data());
  const bool is_mapped = found != MappingsOfThread().end();
  return Napi::Number::New(
      info.Env(), is_mapped ? found->second->memory.descriptor() : -EBADF);
}

// The buffer over memory that this thread has mapped already, or null.
napi_value FindBuffer(Napi::Env env, const struct stat& file) {
  for (const auto& entry : MappingsOfThread()) {
    const Mapping* mapping = entry.second;
    if (!mapping->memory.IsOf(file)) continue;
    napi_value buffer = nullptr;
    napi_get_reference_value(env, mapping->buffer, &buffer);
    void* data = nullptr;
    size_t length = 0;
    if (buffer != nullptr &&
        napi_get_arraybuffer_info(env, buffer, &data, &length) == napi_ok &&
        data == mapping->memory.address())
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
  napi_value known = fresh ? nullptr : FindBuffer(env, status);
  if (known != nullptr) {
    close(fd);
    return {env, known};
  }
  ShareableMemory memory;
  if (!MapReceived(fd, &memory)) return Result(env, -1);
  return BufferOver(env, std::move(memory));
}

// Memory that a request may still use that was under way when its buffer was
// unmapped: libuv's threads and the kernel know nothing but the address. It
// stays mapped until no request is under way, or until the buffer is garbage,
// which it is not as long as a request has it. Deleted by the finalizer.
struct Retired {
  ShareableMemory memory;
};

std::unordered_set<Retired*>& RetiredOfThread() {
  thread_local auto* retired = new std::unordered_set<Retired*>;
  return *retired;
}

void FinalizeRetired(napi_env /*env*/, void* data, void* /*hint*/) {
  auto* retired = static_cast<Retired*>(data);
  RetiredOfThread().erase(retired);
  delete retired;
}

bool IsRequestUnderWay(napi_env env) {
  return LoopOf(env)->active_reqs.count > 0;
}

void Retire(napi_env env, napi_value buffer, ShareableMemory memory) {
  auto* retired = new Retired{std::move(memory)};
  RetiredOfThread().insert(retired);
  napi_add_finalizer(env, buffer, retired, FinalizeRetired, nullptr, nullptr);
}

// unmapRetired(): how many have to stay mapped
Napi::Value UnmapRetired(const Napi::CallbackInfo& info) {
  auto& all = RetiredOfThread();
  if (!IsRequestUnderWay(info.Env())) {
    for (Retired* retired : all) retired->memory.Unmap();
    all.clear();
  }
  return Napi::Number::New(info.Env(), static_cast<double>(all.size()));
}

// munmap(ArrayBuffer, whether others than truefork have it): from here on the
// buffer has no bytes.
Napi::Value UnmapBuffer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto buffer = info[0].As<Napi::ArrayBuffer>();
  const bool is_public = info[1].As<Napi::Boolean>();
  const auto found = MappingsOfThread().find(buffer.Data());
  if (found == MappingsOfThread().end()) {
    errno = EINVAL;
    return Result(env, -1);
  }
  // First of all: a finalizer that comes with the detaching finds that done.
  ShareableMemory memory = std::move(found->second->memory);
  MappingsOfThread().erase(found);
  buffer.Detach();
  if (!is_public || !IsRequestUnderWay(env)) return Result(env, memory.Unmap());
  Retire(env, buffer, std::move(memory));
  return Result(env, 0);
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
  exports["munmap"] = Napi::Function::New<UnmapBuffer>(env, "munmap");
  exports["unmapRetired"] =
      Napi::Function::New<UnmapRetired>(env, "unmapRetired");
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
