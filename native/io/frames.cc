#include "io/frames.h"

#include <arpa/inet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/elements.h"
#include "base/result.h"
#include "io/ancillary.h"
#include "io/poll_until.h"

namespace truefork {

namespace {

constexpr size_t kHeader = sizeof(int32_t);

// sendFrame(fd, kind or -1, bytes): the header, the byte that says of which
// kind the message is, if there is one, and the bytes. How many of all were
// written.
Napi::Value SendFrame(const Napi::CallbackInfo& info) {
  const int kind = Int(info, 1);
  const Bytes body = BytesOf(info[2]);
  const size_t prefix = kind < 0 ? 0 : 1;
  unsigned char head[kHeader + 1];
  const uint32_t length = htonl(static_cast<uint32_t>(body.size() + prefix));
  memcpy(head, &length, kHeader);
  head[kHeader] = static_cast<unsigned char>(kind);
  const iovec parts[] = {{head, kHeader + prefix}, {body.data(), body.size()}};
  const int fd = Int(info, 0);
  return Result(info.Env(), Retry([&] { return writev(fd, parts, 2); }));
}

// Reads from a descriptor that does not block, and waits for it if told to.
class Source {
 public:
  Source(int fd, bool is_socket) : fd_(fd), is_socket_(is_socket) {}

  ssize_t Read(void* data, size_t length) {
    if (!is_socket_) return Retry([&] { return read(fd_, data, length); });
    return ReceiveWithDescriptors(fd_, data, length, &fds, &were_lost, 0);
  }

  // As Read(), for up to `us` microseconds again and again. To sleep and to be
  // woken takes longer than most answers.
  ssize_t Spin(void* data, size_t length, double us) {
    ssize_t count = Read(data, length);
    if (us <= 0) return count;
    constexpr double kUsPerMs = 1000;
    const Deadline end = Deadline::In(us / kUsPerMs);
    while (count < 0 && errno == EAGAIN && !end.IsOver())
      count = Read(data, length);
    return count;
  }

  // Whether it is readable, or at its end, in time. -1: without limit.
  bool Await(double timeout_ms) {
    pollfd entry{fd_, POLLIN, 0};
    // An error is for the next read to find.
    return PollUntil(&entry, 1, Deadline::InOrNever(timeout_ms)) != 0;
  }

  std::vector<int> fds;
  bool were_lost = false;

 private:
  int fd_;
  bool is_socket_;
};

// receiveFrame(fd, is a socket, bytes, out, most, spin, timeout): a message of
// up to `most` bytes that is all there within `timeout` milliseconds (-1: no
// limit), after `spin` microseconds of looking for it. Returns its length; the
// header is in `bytes`, too. -EAGAIN: nothing came. -EPROTO: it is longer, or
// something else is unusual; out[0] bytes were read, and are in `bytes`, out[2]
// descriptors came, and follow, or -EMFILE. out[1]: whether there was something
// before anybody had to sleep.
constexpr size_t kRead = 0;
constexpr size_t kWasThere = 1;
constexpr size_t kCount = 2;

Napi::Value ReceiveFrame(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Source source(Int(info, 0), info[1].As<Napi::Boolean>());
  const Bytes bytes = BytesOf(info[2]);
  const std::span<int32_t> out = IntsOf(info[3]);
  const auto most =
      static_cast<size_t>(info[4].As<Napi::Number>().Int64Value());
  const double spin = info[5].As<Napi::Number>();
  const double timeout = info[6].As<Napi::Number>();
  const bool has_room = out.size() > kCount + kMaxDescriptors &&
                        bytes.size() >= kHeader &&
                        bytes.size() - kHeader >= most;
  if (!has_room) return Napi::Number::New(env, -EFAULT);
  out[kRead] = 0;
  out[kCount] = 0;

  ssize_t count = source.Spin(bytes.data(), kHeader, spin);
  out[kWasThere] = count >= 0 ? 1 : 0;
  if (count < 0 && errno == EAGAIN && timeout != 0 && source.Await(timeout))
    count = source.Read(bytes.data(), kHeader);
  if (count < 0 && errno == EAGAIN) return Napi::Number::New(env, -EAGAIN);
  size_t done = count > 0 ? static_cast<size_t>(count) : 0;
  if (done == kHeader && source.fds.empty() && !source.were_lost) {
    uint32_t encoded = 0;
    memcpy(&encoded, bytes.data(), kHeader);
    const auto length = static_cast<int32_t>(ntohl(encoded));
    const bool is_short = length >= 0 && static_cast<size_t>(length) <= most;
    if (is_short && length == 0) return Napi::Number::New(env, 0);
    if (is_short) {
      const auto wanted = static_cast<size_t>(length);
      count = source.Read(bytes.data() + kHeader, wanted);
      if (count == length && source.fds.empty() && !source.were_lost)
        return Napi::Number::New(env, length);
      if (count > 0) done += static_cast<size_t>(count);
    }
  }
  out[kRead] = static_cast<int32_t>(done);
  out[kCount] =
      source.were_lost ? -EMFILE : static_cast<int32_t>(source.fds.size());
  for (size_t i = 0; i < source.fds.size(); i++)
    out[kCount + 1 + i] = source.fds[i];
  return Napi::Number::New(env, -EPROTO);
}

// expectAll(bytes): all of them will be written to, in this order. Large pages
// cost much less to touch for the first time. It is advice: nothing can fail.
void ExpectAll(const Napi::CallbackInfo& info) {
#if defined(MADV_HUGEPAGE)
  const Bytes bytes = BytesOf(info[0]);
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t end = (begin + bytes.size()) / page * page;
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  if (first < end)
    madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
#endif
}

}  // namespace

void RegisterFrames(Napi::Env env, Napi::Object exports) {
  using Napi::Function;
  exports["sendFrame"] = Function::New<SendFrame>(env, "sendFrame");
  exports["expectAll"] = Function::New<ExpectAll>(env, "expectAll");
  exports["receiveFrame"] = Function::New<ReceiveFrame>(env, "receiveFrame");
}

}  // namespace truefork
