#include "io/look_up.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace truefork {

namespace {

// A call of getaddrinfo(3). It takes as long as name servers do, and cannot be
// interrupted: so it has a thread of its own, which a caller leaves behind if
// it does not want to wait any longer.
class Question {
 public:
  explicit Question(std::string host) : host_(std::move(host)) {}

  // Called by the thread.
  void Ask() {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(host_.c_str(), nullptr, &hints, &found);
    const std::lock_guard<std::mutex> guard(lock_);
    if (error == 0) {
      const auto* name = reinterpret_cast<sockaddr_in*>(found->ai_addr);
      char text[INET_ADDRSTRLEN] = "";
      address_ = inet_ntop(AF_INET, &name->sin_addr, text, sizeof(text));
      freeaddrinfo(found);
    }
    is_answered_ = true;
    change_.notify_all();
  }

  // Returns whether there is an answer: empty, where there is no such host.
  bool Await(double milliseconds, std::string* address) {
    std::unique_lock<std::mutex> guard(lock_);
    const std::chrono::duration<double, std::milli> limit(milliseconds);
    change_.wait_for(guard, limit, [this] { return is_answered_; });
    *address = address_;
    return is_answered_;
  }

 private:
  const std::string host_;
  std::mutex lock_;
  std::condition_variable change_;
  std::string address_;
  bool is_answered_ = false;
};

// The thread has the question as long as it likes. 0 or a negative errno, as
// libuv has it.
int StartAsking(const std::shared_ptr<Question>& question) {
  auto* own = new std::shared_ptr<Question>(question);
  // Signals are for the others.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  uv_thread_t thread{};
  const int error = uv_thread_create(
      &thread,
      [](void* argument) {
        const std::unique_ptr<std::shared_ptr<Question>> asked(
            static_cast<std::shared_ptr<Question>*>(argument));
        (*asked)->Ask();
      },
      own);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) {
    pthread_detach(thread);
  } else {
    delete own;
  }
  return error;
}

// lookUp(host name, milliseconds): its first IPv4 address, empty if there is no
// such host, undefined after the timeout, or a negative errno. Blocks.
Napi::Value LookUp(const Napi::CallbackInfo& info) {
  // As long as anybody may want to wait, and no clock overflows.
  constexpr double kMaxMs = 1e12;
  const double timeout = info[1].As<Napi::Number>().DoubleValue();
  const auto question =
      std::make_shared<Question>(info[0].As<Napi::String>().Utf8Value());
  if (timeout < kMaxMs) {
    const int error = StartAsking(question);
    if (error != 0) return Napi::Number::New(info.Env(), error);
  } else {
    question->Ask();
  }
  std::string address;
  if (!question->Await(std::min(timeout, kMaxMs), &address))
    return info.Env().Undefined();
  return Napi::String::New(info.Env(), address);
}

}  // namespace

void RegisterLookUp(Napi::Env env, Napi::Object exports) {
  exports["lookUp"] = Napi::Function::New<LookUp>(env, "lookUp");
}

}  // namespace truefork
