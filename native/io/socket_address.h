// Addresses of sockets, as JavaScript writes them: the path of a Unix socket,
// or an IP address and a port.
#pragma once

#include <napi.h>
#include <sys/socket.h>

namespace truefork {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);

  [[nodiscard]] sockaddr* data() {
    return reinterpret_cast<sockaddr*>(&storage);
  }
};

// (…, path) or (…, IP address, port) from argument `index` on; a path that
// begins with NUL is an abstract one. 0, or -1 and errno.
int ReadAddress(const Napi::CallbackInfo& info, size_t index,
                SocketAddress* address);

// A string, or [IP address, port]; undefined for what is neither.
Napi::Value WriteAddress(Napi::Env env, const SocketAddress& address);

}  // namespace truefork
