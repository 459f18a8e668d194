#include "io/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

namespace truefork {

namespace {

int Fail(int error) {
  errno = error;
  return -1;
}

int ReadPath(const std::string& path, SocketAddress* address) {
  auto* unix_address = reinterpret_cast<sockaddr_un*>(&address->storage);
  // One byte stays for the NUL at the end, which an abstract name has not.
  const bool is_abstract = !path.empty() && path[0] == '\0';
  const size_t room = sizeof(unix_address->sun_path) - (is_abstract ? 0 : 1);
  if (path.size() > room) return Fail(ENAMETOOLONG);
  unix_address->sun_family = AF_UNIX;
  memcpy(unix_address->sun_path, path.data(), path.size());
  address->length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                           path.size() + (is_abstract ? 0 : 1));
  return 0;
}

int ReadInet(const std::string& host, uint16_t port, SocketAddress* address) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address->storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address->length = sizeof(sockaddr_in);
    return 0;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address->storage);
  if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1)
    return Fail(EINVAL);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  address->length = sizeof(sockaddr_in6);
  return 0;
}

Napi::Value WritePath(Napi::Env env, const SocketAddress& address) {
  const auto* path = reinterpret_cast<const sockaddr_un*>(&address.storage);
  constexpr size_t kStart = offsetof(sockaddr_un, sun_path);
  size_t length = address.length > kStart ? address.length - kStart : 0;
  length = std::min(length, sizeof(path->sun_path));
  const bool is_abstract = length > 0 && path->sun_path[0] == '\0';
  if (!is_abstract) length = strnlen(path->sun_path, length);
  return Napi::String::New(env, path->sun_path, length);
}

Napi::Value WriteInet(Napi::Env env, int family, const void* host,
                      in_port_t port) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family, host, text, sizeof(text));
  auto pair = Napi::Array::New(env, 2);
  pair.Set(0U, text);
  pair.Set(1U, static_cast<double>(ntohs(port)));
  return pair;
}

}  // namespace

int ReadAddress(const Napi::CallbackInfo& info, size_t index,
                SocketAddress* address) {
  const std::string name = info[index].As<Napi::String>();
  if (!info[index + 1].IsNumber()) return ReadPath(name, address);
  const uint32_t port = info[index + 1].As<Napi::Number>();
  return ReadInet(name, static_cast<uint16_t>(port), address);
}

Napi::Value WriteAddress(Napi::Env env, const SocketAddress& address) {
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  switch (address.storage.ss_family) {
    case AF_UNIX:
      return WritePath(env, address);
    case AF_INET:
      return WriteInet(env, AF_INET, &v4->sin_addr, v4->sin_port);
    case AF_INET6:
      return WriteInet(env, AF_INET6, &v6->sin6_addr, v6->sin6_port);
    default:
      return env.Undefined();
  }
}

}  // namespace truefork
