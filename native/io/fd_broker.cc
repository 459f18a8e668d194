#include "io/fd_broker.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <csignal>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/elements.h"
#include "base/result.h"
#include "io/ancillary.h"

namespace truefork {

namespace {

constexpr size_t kTokenSize = 16;
// Clients that may be connected at a time: each sends its token a moment after
// it has connected.
constexpr size_t kMaxClients = 64;

enum Reply : char { kHere = 0, kUnknown = 1 };

void CloseAll(const std::vector<int>& fds) {
  for (const int fd : fds) close(fd);
}

// The user at the other end of a Unix socket; -1: unknown.
int64_t PeerUid(int fd) {
#if defined(__linux__)
  ucred peer{};
  socklen_t length = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -1;
  return peer.uid;
#else
  uid_t uid = 0;
  gid_t gid = 0;
  return getpeereid(fd, &uid, &gid) == 0 ? static_cast<int64_t>(uid) : -1;
#endif
}

// Whatever the thread does between two sleeps it does with the lock held, and
// the lock is held across a fork: so a child knows all that it has to close.
class FdBroker {
 public:
  explicit FdBroker(int listener) : listener_(listener) {}

  // 0 or -errno. The thread ends with the process.
  int Start() {
    constexpr size_t kStackSize = size_t{128} * 1024;
    uv_thread_options_t options{};
    options.flags = UV_THREAD_HAS_STACK_SIZE;
    options.stack_size = kStackSize;
    // Signals are for the others.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    uv_thread_t thread{};
    const int error = uv_thread_create_ex(
        &thread, &options,
        [](void* sharer) { static_cast<FdBroker*>(sharer)->Run(); }, this);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error == 0) pthread_detach(thread);
    return error;
  }

  // Takes the descriptors.
  void Keep(const std::string& token, std::vector<int> fds) {
    const std::lock_guard<std::mutex> lock(lock_);
    kept_.emplace(token, Kept{std::move(fds), kNoGroup});
  }

  void Forget(const std::string& token) {
    const std::lock_guard<std::mutex> lock(lock_);
    const auto found = kept_.find(token);
    if (found == kept_.end()) return;
    CloseAll(found->second.fds);
    kept_.erase(found);
  }

  void Group(const std::string& token, uint32_t group) {
    const std::lock_guard<std::mutex> lock(lock_);
    const auto found = kept_.find(token);
    if (found != kept_.end()) found->second.group = group;
  }

  bool HasGroup(uint32_t group) {
    const std::lock_guard<std::mutex> lock(lock_);
    return std::any_of(kept_.begin(), kept_.end(), [group](const auto& entry) {
      return entry.second.group == group;
    });
  }

  void ForgetGroup(uint32_t group) {
    const std::lock_guard<std::mutex> lock(lock_);
    for (auto entry = kept_.begin(); entry != kept_.end();) {
      if (entry->second.group != group) {
        ++entry;
        continue;
      }
      CloseAll(entry->second.fds);
      entry = kept_.erase(entry);
    }
  }

  void Hold() { lock_.lock(); }
  void Release() { lock_.unlock(); }

  // In a forked child, whose parent goes on with all this; after Hold().
  void CloseEverything() {
    for (const auto& entry : kept_) CloseAll(entry.second.fds);
    CloseAll(clients_);
    close(listener_);
  }

 private:
  [[noreturn]] void Run() {
    for (;;) {
      std::vector<pollfd> entries{{listener_, POLLIN, 0}};
      for (const int client : clients_) entries.push_back({client, POLLIN, 0});
      if (poll(entries.data(), static_cast<nfds_t>(entries.size()), -1) < 0)
        continue;
      const std::lock_guard<std::mutex> lock(lock_);
      for (size_t i = 1; i < entries.size(); i++) {
        if (entries[i].revents != 0) Serve(entries[i].fd);
      }
      if (entries[0].revents != 0) Accept();
    }
  }

  void Accept() {
#if defined(__linux__)
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
#else
    const int fd = accept(listener_, nullptr, nullptr);
    if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
    if (fd < 0) {
      // No descriptor is free. Clients that wait try again, or time out.
      constexpr useconds_t kNapUs = 1000;
      usleep(kNapUs);
      return;
    }
    if (PeerUid(fd) != static_cast<int64_t>(geteuid())) {
      close(fd);
      return;
    }
    if (clients_.size() == kMaxClients) Drop(clients_.front());
    clients_.push_back(fd);
  }

  void Drop(int client) {
    clients_.erase(std::find(clients_.begin(), clients_.end(), client));
    close(client);
  }

  void Serve(int client) {
    std::string token(kTokenSize, '\0');
    const ssize_t length = recv(client, token.data(), kTokenSize, MSG_DONTWAIT);
    if (length == static_cast<ssize_t>(kTokenSize)) Answer(client, token);
    Drop(client);
  }

  void Answer(int client, const std::string& token) {
    const auto found = kept_.find(token);
    if (found == kept_.end()) {
      Send(client, kUnknown, nullptr, 0);
      return;
    }
    const std::vector<int>& fds = found->second.fds;
    for (size_t done = 0; done < fds.size(); done += kMaxDescriptors) {
      const size_t count = std::min(kMaxDescriptors, fds.size() - done);
      // It may come again.
      if (!Send(client, kHere, &fds[done], count)) return;
    }
    CloseAll(fds);
    kept_.erase(found);
  }

  static bool Send(int client, Reply reply, const int* fds, size_t count) {
    char byte = reply;
    iovec part{&byte, 1};
    return SendWithDescriptors(client, &part, 1, fds, count, MSG_DONTWAIT) == 1;
  }

  struct Kept {
    std::vector<int> fds;
    // Descriptors of one group are given up together.
    uint32_t group;
  };

  static constexpr uint32_t kNoGroup = 0;

  int listener_;
  std::mutex lock_;
  std::unordered_map<std::string, Kept> kept_;
  // In the order in which they came. Only the thread changes it.
  std::vector<int> clients_;
};

// Never destroyed: the thread uses it to the very end.
FdBroker* the_broker = nullptr;

// startSharer(fd): what is a listening Unix socket is its own from now on.
Napi::Value Start(const Napi::CallbackInfo& info) {
  auto* sharer = new FdBroker(Int(info, 0));
  const int error = sharer->Start();
  if (error == 0) {
    the_broker = sharer;
  } else {
    delete sharer;
  }
  return Napi::Number::New(info.Env(), error);
}

std::string TokenOf(const Napi::CallbackInfo& info) {
  const Bytes bytes = BytesOf(info[0]);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// keepToShare(token, Int32Array of descriptors): duplicates of them.
Napi::Value Keep(const Napi::CallbackInfo& info) {
  std::vector<int> copies;
  for (const int fd : IntsOf(info[1])) {
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
      const int error = errno;
      CloseAll(copies);
      errno = error;
      return Result(info.Env(), -1);
    }
    copies.push_back(copy);
  }
  the_broker->Keep(TokenOf(info), std::move(copies));
  return Result(info.Env(), 0);
}

Napi::Value Forget(const Napi::CallbackInfo& info) {
  if (the_broker != nullptr) the_broker->Forget(TokenOf(info));
  return info.Env().Undefined();
}

uint32_t GroupOf(const Napi::Value& value) {
  return value.As<Napi::Number>().Uint32Value();
}

// groupToShare(token, group): not 0
Napi::Value Group(const Napi::CallbackInfo& info) {
  if (the_broker != nullptr) the_broker->Group(TokenOf(info), GroupOf(info[1]));
  return info.Env().Undefined();
}

// hasGroupToShare(group): whether somebody has yet to come for some of it
Napi::Value HasGroup(const Napi::CallbackInfo& info) {
  const bool has =
      the_broker != nullptr && the_broker->HasGroup(GroupOf(info[0]));
  return Napi::Boolean::New(info.Env(), has);
}

Napi::Value ForgetGroup(const Napi::CallbackInfo& info) {
  if (the_broker != nullptr) the_broker->ForgetGroup(GroupOf(info[0]));
  return info.Env().Undefined();
}

Napi::Value Hold(const Napi::CallbackInfo& info) {
  if (the_broker != nullptr) the_broker->Hold();
  return info.Env().Undefined();
}

Napi::Value Release(const Napi::CallbackInfo& info) {
  if (the_broker != nullptr) the_broker->Release();
  return info.Env().Undefined();
}

Napi::Value Abandon(const Napi::CallbackInfo& info) {
  if (the_broker != nullptr) the_broker->CloseEverything();
  the_broker = nullptr;
  return info.Env().Undefined();
}

Napi::Value GetPeerUid(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(),
                           static_cast<double>(PeerUid(Int(info, 0))));
}

}  // namespace

void RegisterFdBroker(Napi::Env env, Napi::Object exports) {
  using Napi::Function;
  exports["startFdBroker"] = Function::New<Start>(env, "startFdBroker");
  exports["entrustFds"] = Function::New<Keep>(env, "entrustFds");
  exports["revokeFds"] = Function::New<Forget>(env, "revokeFds");
  exports["groupFds"] = Function::New<Group>(env, "groupFds");
  exports["hasFdGroup"] = Function::New<HasGroup>(env, "hasFdGroup");
  exports["revokeFdGroup"] = Function::New<ForgetGroup>(env, "revokeFdGroup");
  exports["holdFdBroker"] = Function::New<Hold>(env, "holdFdBroker");
  exports["releaseFdBroker"] = Function::New<Release>(env, "releaseFdBroker");
  exports["abandonFdBroker"] = Function::New<Abandon>(env, "abandonFdBroker");
  exports["peerUid"] = Function::New<GetPeerUid>(env, "peerUid");
}

}  // namespace truefork
