#include "posix/spawn.h"

#include <spawn.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "base/result.h"

namespace truefork {

namespace {

// The attributes of the shell, and their clean-up.
class Plan {
 public:
  explicit Plan(int input) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    // Node closes its own stderr on exec; the copy of a copy stays.
    posix_spawn_file_actions_adddup2(&actions_, STDERR_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
    sigset_t blocked;
    sigemptyset(&blocked);
    // From its first instruction on: `trap` would be too late.
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
      sigaddset(&blocked, signal);
    posix_spawnattr_setsigmask(&attributes_, &blocked);
    sigset_t all;
    sigfillset(&all);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK |
                                               POSIX_SPAWN_SETSIGDEF |
                                               POSIX_SPAWN_SETSID);
  }
  ~Plan() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  // Returns the pid or a negative errno.
  pid_t Run(const char* const* arguments, const char* const* environment) {
    pid_t pid = 0;
    const int error = posix_spawn(&pid, arguments[0], &actions_, &attributes_,
                                  const_cast<char* const*>(arguments),
                                  const_cast<char* const*>(environment));
    return error == 0 ? pid : -error;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// spawnShell(script, first argument, descriptor to read from)
//
// A shell in a session of its own that is deaf to what ends programs politely.
// libuv's spawn gives every signal its default action.
Napi::Value SpawnShell(const Napi::CallbackInfo& info) {
  const std::string script = info[0].As<Napi::String>();
  const std::string argument = info[1].As<Napi::String>();
  const char* const arguments[] = {
      "/bin/sh", "-c", script.c_str(), "truefork", argument.c_str(), nullptr};
  const char* const environment[] = {"LC_ALL=C", "PATH=/usr/bin:/bin", nullptr};
  const pid_t pid = Plan(Int(info, 2)).Run(arguments, environment);
  return Napi::Number::New(info.Env(), pid);
}

}  // namespace

void RegisterSpawn(Napi::Env env, Napi::Object exports) {
  exports["spawnShell"] = Napi::Function::New<SpawnShell>(env);
}

}  // namespace truefork
