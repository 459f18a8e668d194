#include "io/poll_set.h"

#include <poll.h>
#if defined(__linux__)
#include <sys/epoll.h>
#else
#include <sys/event.h>
#endif

#include <vector>

#include "base/elements.h"
#include "base/result.h"
#include "io/poll_until.h"

namespace truefork {

namespace {

// A descriptor that is readable when one of those in the set is: -errno or it.
// Unlike uv_poll_t it leaves the flags of those as they are.
Napi::Value MakePollSet(const Napi::CallbackInfo& info) {
#if defined(__linux__)
  return Result(info.Env(), epoll_create1(EPOLL_CLOEXEC));
#else
  return Result(info.Env(), kqueue());
#endif
}

// addToPollSet(set, fd). -EPERM: this one is always ready.
Napi::Value AddToPollSet(const Napi::CallbackInfo& info) {
  const int set = Int(info, 0);
  const int fd = Int(info, 1);
#if defined(__linux__)
  epoll_event event{};
  event.events = EPOLLIN;
  return Result(info.Env(), epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
#else
  struct kevent change;
  EV_SET(&change, fd, EVFILT_READ, EV_ADD, 0, 0, nullptr);
  return Result(info.Env(), kevent(set, &change, 1, nullptr, 0, nullptr));
#endif
}

// pollAll(Int32Array of descriptors, Int32Array events, timeout): waits until
// what is looked for is there at one of them, negative: for ever; then `events`
// has what is there. Returns how many are ready.
Napi::Value PollAll(const Napi::CallbackInfo& info) {
  const std::span<int32_t> fds = IntsOf(info[0]);
  const std::span<int32_t> events = IntsOf(info[1]);
  if (fds.size() != events.size())
    return Napi::Number::New(info.Env(), -EFAULT);
  std::vector<pollfd> entries(fds.size());
  for (size_t i = 0; i < entries.size(); i++)
    entries[i] = {fds[i], static_cast<int16_t>(events[i]), 0};
  const int ready =
      PollUntil(entries.data(), static_cast<nfds_t>(entries.size()),
                Deadline::InOrNever(info[2].As<Napi::Number>()));
  if (ready >= 0) {
    for (size_t i = 0; i < entries.size(); i++) events[i] = entries[i].revents;
  }
  return Result(info.Env(), ready);
}

}  // namespace

void RegisterPollSet(Napi::Env env, Napi::Object exports) {
  using Napi::Function;
  exports["makePollSet"] = Function::New<MakePollSet>(env, "makePollSet");
  exports["addToPollSet"] = Function::New<AddToPollSet>(env, "addToPollSet");
  exports["pollAll"] = Function::New<PollAll>(env, "pollAll");
}

}  // namespace truefork
