#include "io/descriptors.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/elements.h"
#include "base/result.h"
#include "io/poll_until.h"

namespace truefork {

namespace {

using Pair = int[2];

// (Int32Array out): out gets both. Descriptors of ours do not leak into
// programs that the user executes.
template <typename Make>
Napi::Value MakePair(const Napi::CallbackInfo& info, Make make) {
  const std::span<int32_t> out = IntsOf(info[0]);
  Pair pair;
  errno = EFAULT;
  const int made = out.size() < 2 ? -1 : make(pair);
  for (size_t i = 0; made == 0 && i < 2; i++) {
#if !defined(__linux__)
    fcntl(pair[i], F_SETFD, FD_CLOEXEC);
#endif
    out[i] = pair[i];
  }
  return Result(info.Env(), made);
}

// pipe(Int32Array out): out gets the read end and the write end.
Napi::Value Pipe(const Napi::CallbackInfo& info) {
#if defined(__linux__)
  return MakePair(info, [](Pair& ends) { return pipe2(ends, O_CLOEXEC); });
#else
  return MakePair(info, [](Pair& ends) { return pipe(ends); });
#endif
}

Napi::Value SocketPair(const Napi::CallbackInfo& info) {
#if defined(__linux__)
  constexpr int kType = SOCK_STREAM | SOCK_CLOEXEC;
#else
  constexpr int kType = SOCK_STREAM;
#endif
  return MakePair(
      info, [](Pair& ends) { return socketpair(AF_UNIX, kType, 0, ends); });
}

// Transfers as read(2) and write(2) do: (fd, bytes, offset, length).
template <typename Call>
Napi::Value Transfer(const Napi::CallbackInfo& info, Call call) {
  const int fd = Int(info, 0);
  Bytes part;
  if (!PartOf(BytesOf(info[1]), info[2], info[3], &part))
    return Result(info.Env(), -1);
  return Result(info.Env(),
                Retry([&] { return call(fd, part.data(), part.size()); }));
}

Napi::Value Read(const Napi::CallbackInfo& info) {
  return Transfer(info, read);
}

Napi::Value Write(const Napi::CallbackInfo& info) {
  return Transfer(info, write);
}

// writePair(fd, first, second): one writev(2) of both.
Napi::Value WritePair(const Napi::CallbackInfo& info) {
  const int fd = Int(info, 0);
  const Bytes first = BytesOf(info[1]);
  const Bytes second = BytesOf(info[2]);
  const iovec parts[] = {{first.data(), first.size()},
                         {second.data(), second.size()}};
  return Result(info.Env(), Retry([&] { return writev(fd, parts, 2); }));
}

Napi::Value Close(const Napi::CallbackInfo& info) {
  // Not repeated after EINTR: on Linux the descriptor is closed by then.
  return Result(info.Env(), close(Int(info, 0)));
}

Napi::Value Dup2(const Napi::CallbackInfo& info) {
  const int from = Int(info, 0);
  const int to = Int(info, 1);
  return Result(info.Env(), Retry([&] { return dup2(from, to); }));
}

// A second number for the same, close-on-exec.
Napi::Value Duplicate(const Napi::CallbackInfo& info) {
  return Result(info.Env(), fcntl(Int(info, 0), F_DUPFD_CLOEXEC, 0));
}

Napi::Value SetNonblocking(const Napi::CallbackInfo& info) {
  const int fd = Int(info, 0);
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return Result(info.Env(), flags);
  return Result(info.Env(), fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

// lockFile(fd, isExclusive): flock(2), without waiting
Napi::Value LockFile(const Napi::CallbackInfo& info) {
  const int kind = info[1].As<Napi::Boolean>() ? LOCK_EX : LOCK_SH;
  return Result(info.Env(), flock(Int(info, 0), kind | LOCK_NB));
}

// poll(fd, events, timeout): waits, blocking the thread, until one of `events`
// or an error is there; negative: for ever. Gives the events, 0 after the
// timeout.
Napi::Value Poll(const Napi::CallbackInfo& info) {
  pollfd entry{Int(info, 0), static_cast<int16_t>(Int(info, 1)), 0};
  const int ready =
      PollUntil(&entry, 1, Deadline::InOrNever(info[2].As<Napi::Number>()));
  return Result(info.Env(), ready > 0 ? entry.revents : ready);
}

}  // namespace

void RegisterDescriptors(Napi::Env env, Napi::Object exports) {
  exports["pipe"] = Napi::Function::New<Pipe>(env, "pipe");
  exports["socketpair"] = Napi::Function::New<SocketPair>(env, "socketpair");
  exports["read"] = Napi::Function::New<Read>(env, "read");
  exports["write"] = Napi::Function::New<Write>(env, "write");
  exports["writePair"] = Napi::Function::New<WritePair>(env, "writePair");
  exports["close"] = Napi::Function::New<Close>(env, "close");
  exports["dup2"] = Napi::Function::New<Dup2>(env, "dup2");
  exports["duplicate"] = Napi::Function::New<Duplicate>(env, "duplicate");
  exports["setNonblocking"] =
      Napi::Function::New<SetNonblocking>(env, "setNonblocking");
  exports["lockFile"] = Napi::Function::New<LockFile>(env, "lockFile");
  exports["poll"] = Napi::Function::New<Poll>(env, "poll");
}

}  // namespace truefork
