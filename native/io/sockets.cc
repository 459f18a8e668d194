#include "io/sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/elements.h"
#include "base/result.h"
#include "io/ancillary.h"
#include "io/socket_address.h"

namespace truefork {

namespace {

#if !defined(__linux__)
int MakeOurs(int fd) {
  if (fd < 0) return fd;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}
#endif

// Small messages shall not wait for others.
void SetNoDelay(int fd, int family) {
  const int on = 1;
  if (family == AF_INET || family == AF_INET6)
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

// socket(path) or socket(IP address, port): a stream socket of the family of
// that address, which does not block.
Napi::Value Socket(const Napi::CallbackInfo& info) {
  SocketAddress address;
  if (ReadAddress(info, 0, &address) != 0) return Result(info.Env(), -1);
  const int family = address.storage.ss_family;
#if defined(__linux__)
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
  const int fd = MakeOurs(socket(family, SOCK_STREAM, 0));
#endif
  if (fd >= 0) SetNoDelay(fd, family);
  return Result(info.Env(), fd);
}

// bind(fd, …address). A port that was in use a moment ago can be had again.
Napi::Value Bind(const Napi::CallbackInfo& info) {
  SocketAddress address;
  if (ReadAddress(info, 1, &address) != 0) return Result(info.Env(), -1);
  const int fd = Int(info, 0);
  const int on = 1;
  if (address.storage.ss_family != AF_UNIX)
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  return Result(info.Env(), bind(fd, address.data(), address.length));
}

Napi::Value Listen(const Napi::CallbackInfo& info) {
  return Result(info.Env(), listen(Int(info, 0), Int(info, 1)));
}

// connect(fd, …address). -EINPROGRESS: it is done when the socket is writable;
// not repeated after EINTR, for then it goes on as well.
Napi::Value Connect(const Napi::CallbackInfo& info) {
  SocketAddress address;
  if (ReadAddress(info, 1, &address) != 0) return Result(info.Env(), -1);
  int made = connect(Int(info, 0), address.data(), address.length);
  if (made != 0 && errno == EINTR) errno = EINPROGRESS;
  return Result(info.Env(), made);
}

// accept(fd): a descriptor that does not block.
Napi::Value Accept(const Napi::CallbackInfo& info) {
  const int listener = Int(info, 0);
  SocketAddress peer;
#if defined(__linux__)
  const int fd = Retry([&] {
    return accept4(listener, peer.data(), &peer.length,
                   SOCK_CLOEXEC | SOCK_NONBLOCK);
  });
#else
  const int fd = MakeOurs(
      Retry([&] { return accept(listener, peer.data(), &peer.length); }));
#endif
  if (fd >= 0) SetNoDelay(fd, peer.storage.ss_family);
  return Result(info.Env(), fd);
}

// The error of a connection that was in progress: 0 or -errno.
Napi::Value SocketError(const Napi::CallbackInfo& info) {
  int error = 0;
  socklen_t length = sizeof(error);
  if (getsockopt(Int(info, 0), SOL_SOCKET, SO_ERROR, &error, &length) != 0)
    return Result(info.Env(), -1);
  return Napi::Number::New(info.Env(), -error);
}

using GetName = int (*)(int, sockaddr*, socklen_t*);

Napi::Value NameOf(const Napi::CallbackInfo& info, GetName get_name) {
  SocketAddress address;
  if (get_name(Int(info, 0), address.data(), &address.length) != 0)
    return Result(info.Env(), -1);
  return WriteAddress(info.Env(), address);
}

Napi::Value SocketName(const Napi::CallbackInfo& info) {
  return NameOf(info, getsockname);
}

Napi::Value PeerName(const Napi::CallbackInfo& info) {
  return NameOf(info, getpeername);
}

// socketKind(fd): 0 for what is no socket, 1 for a Unix socket, 2 for others.
Napi::Value SocketKind(const Napi::CallbackInfo& info) {
  SocketAddress address;
  const int got = getsockname(Int(info, 0), address.data(), &address.length);
  const bool is_unix = address.storage.ss_family == AF_UNIX;
  return Napi::Number::New(info.Env(), got != 0 ? 0 : (is_unix ? 1 : 2));
}

Napi::Value IsListening(const Napi::CallbackInfo& info) {
  int listens = 0;
  socklen_t length = sizeof(listens);
  const int got =
      getsockopt(Int(info, 0), SOL_SOCKET, SO_ACCEPTCONN, &listens, &length);
  return Napi::Boolean::New(info.Env(), got == 0 && listens != 0);
}

// sendFds(fd, first bytes, second bytes, Int32Array of descriptors)
Napi::Value SendFds(const Napi::CallbackInfo& info) {
  const Bytes first = BytesOf(info[1]);
  const Bytes second = BytesOf(info[2]);
  iovec parts[] = {{first.data(), first.size()},
                   {second.data(), second.size()}};
  const std::span<int32_t> fds = IntsOf(info[3]);
  return Result(info.Env(), SendWithDescriptors(Int(info, 0), parts, 2,
                                                fds.data(), fds.size(), 0));
}

// receive(fd, bytes, offset, length, Int32Array out): recvmsg(2). `out` gets
// how many descriptors came, and which; -EMFILE if some were lost, and then
// none.
Napi::Value Receive(const Napi::CallbackInfo& info) {
  const std::span<int32_t> out = IntsOf(info[4]);
  Bytes part;
  if (!PartOf(BytesOf(info[1]), info[2], info[3], &part) ||
      out.size() <= kMaxDescriptors)
    return Result(info.Env(), -1);
  std::vector<int> fds;
  bool were_lost = false;
  const ssize_t received = ReceiveWithDescriptors(
      Int(info, 0), part.data(), part.size(), &fds, &were_lost, 0);
  const Napi::Value result = Result(info.Env(), received);
  if (were_lost || !fds.empty()) {
    out[0] = were_lost ? -EMFILE : static_cast<int>(fds.size());
    for (size_t i = 0; i < fds.size(); i++) out[i + 1] = fds[i];
  }
  return result;
}

}  // namespace

void RegisterSockets(Napi::Env env, Napi::Object exports) {
  using Napi::Function;
  exports["socket"] = Function::New<Socket>(env, "socket");
  exports["bind"] = Function::New<Bind>(env, "bind");
  exports["listen"] = Function::New<Listen>(env, "listen");
  exports["connect"] = Function::New<Connect>(env, "connect");
  exports["accept"] = Function::New<Accept>(env, "accept");
  exports["socketError"] = Function::New<SocketError>(env, "socketError");
  exports["getsockname"] = Function::New<SocketName>(env, "getsockname");
  exports["getpeername"] = Function::New<PeerName>(env, "getpeername");
  exports["socketKind"] = Function::New<SocketKind>(env, "socketKind");
  exports["isListening"] = Function::New<IsListening>(env, "isListening");
  exports["sendFds"] = Function::New<SendFds>(env, "sendFds");
  exports["receive"] = Function::New<Receive>(env, "receive");
}

}  // namespace truefork
