// The parts of Node and V8 that a fork needs and Node-API does not offer. They
// are looked up by name when first needed: one binary then serves every version
// of Node, and what a build of Node lacks becomes an error with a name in it.
//
// Guarded by test/failures/refusals; every test needs them.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

// Just enough of V8's public <v8-platform.h> to hand a task to a worker.
namespace v8 {

class Task {
 public:
  virtual ~Task() = default;
  virtual void Run() = 0;
};

}  // namespace v8

namespace truefork {

class NodeInternals {
 public:
  // Looks everything up, once; call it from the main thread, inside a call from
  // JavaScript. Returns the first symbol that is missing, or nullptr.
  static const char* Load();

  // Valid once Load() returned nullptr.
  static const NodeInternals& Get() { return instance_; }

  // The callbacks of libuv's timers that vm's timeouts and setTimeout() use.
  [[nodiscard]] uv_timer_cb VmWatchdogTimer() const { return watchdog_timer_; }
  [[nodiscard]] uv_timer_cb RunTimers() const { return run_timers_; }

  // How many threads V8 has for its background work.
  [[nodiscard]] int WorkerCount() const;
  void PostToWorker(std::unique_ptr<v8::Task> task) const;

  // Makes the running JavaScript stop, without `catch` or `finally`, as soon as
  // V8 looks, and CancelTermination() lets JavaScript run again.
  void TerminateExecution() const { terminate_(isolate_); }
  void CancelTermination() const { cancel_termination_(isolate_); }
  void RunMicrotasks() const { run_microtasks_(isolate_); }
  // Collects all garbage.
  void Collect() const { collect_(isolate_); }

  // Called each time that the outermost call into JavaScript has ended.
  using CallCompleted = void (*)(void* isolate);
  void OnCallCompleted(CallCompleted callback) const {
    add_call_completed_(isolate_, callback);
  }
  void OffCallCompleted(CallCompleted callback) const {
    remove_call_completed_(isolate_, callback);
  }

  // Called each time that the promise jobs have been run, or dropped.
  using MicrotasksCompleted = void (*)(void* isolate, void* nothing);
  void OnMicrotasksCompleted(MicrotasksCompleted callback) const {
    add_microtasks_completed_(isolate_, callback, nullptr);
  }
  void OffMicrotasksCompleted(MicrotasksCompleted callback) const {
    remove_microtasks_completed_(isolate_, callback, nullptr);
  }

  // How Node hands tasks to the main thread: the object that knows how, its
  // part that V8 posts through, and the virtual functions of both.
  struct ForegroundRunner {
    void* platform_data;
    void* runner;
    void* get_runner;
    void* post;
    void* post_non_nestable;
    void* post_delayed;
    void* post_non_nestable_delayed;
  };
  [[nodiscard]] const ForegroundRunner& GetForegroundRunner() const {
    return foreground_;
  }
  [[nodiscard]] std::shared_ptr<void> PlatformData() const {
    return platform_data_of_(platform_, isolate_);
  }
  [[nodiscard]] void* GetIsolate() const { return isolate_; }
  // The callback of the timers of libuv that such tasks wait for.
  [[nodiscard]] uv_timer_cb ForegroundTimer() const {
    return foreground_timer_;
  }
  void RunForegroundTask(std::unique_ptr<v8::Task> task) const {
    run_foreground_(foreground_.platform_data, std::move(task));
  }
  // Runs those that are due now.
  void FlushForegroundTasks() const { flush_foreground_(platform_, isolate_); }
  // Where a task was posted, as newer versions of V8 want to know.
  [[nodiscard]] static const void* Location();

  // V8's locks measure the processor's clock, once, when two threads first want
  // one of them: it takes 3 ms, and all who want a lock wait for that. Node 20
  // has other locks.
  void MeasureClock() const {
    if (measure_clock_ != nullptr) measure_clock_();
  }

  // Keeps every isolate from changing what collectors of C++ objects share.
  void LockCollectors() const { lock_collectors_(nullptr); }
  void UnlockCollectors() const { unlock_collectors_(nullptr); }

  // Sets the function that ends the process after process.exit() and uncaught
  // exceptions.
  void SetExitHandler(std::function<void(void* environment, int code)>) const;

 private:
  using WithIsolate = void (*)(void* isolate);

  class Symbols;

  void FindForeground(Symbols* symbols);

  static NodeInternals instance_;
  static bool loaded_;

  void* isolate_ = nullptr;
  void* environment_ = nullptr;
  void* platform_ = nullptr;
  uv_timer_cb watchdog_timer_ = nullptr;
  uv_timer_cb run_timers_ = nullptr;
  WithIsolate terminate_ = nullptr;
  WithIsolate cancel_termination_ = nullptr;
  WithIsolate run_microtasks_ = nullptr;
  WithIsolate collect_ = nullptr;
  void (*add_call_completed_)(void* isolate, CallCompleted) = nullptr;
  void (*remove_call_completed_)(void* isolate, CallCompleted) = nullptr;
  void (*add_microtasks_completed_)(void* isolate, MicrotasksCompleted,
                                    void*) = nullptr;
  void (*remove_microtasks_completed_)(void* isolate, MicrotasksCompleted,
                                       void*) = nullptr;
  ForegroundRunner foreground_{};
  uv_timer_cb foreground_timer_ = nullptr;
  void (*run_foreground_)(void* platform_data,
                          std::unique_ptr<v8::Task>) = nullptr;
  bool (*flush_foreground_)(void* platform, void* isolate) = nullptr;
  std::shared_ptr<void> (*platform_data_of_)(void* platform,
                                             void* isolate) = nullptr;
  // Constructor and destructor of an object without members.
  double (*measure_clock_)() = nullptr;
  void (*lock_collectors_)(void* object) = nullptr;
  void (*unlock_collectors_)(void* object) = nullptr;
  int (*worker_count_)(void* platform) = nullptr;
  void* post_ = nullptr;
  bool post_takes_priority_ = false;
  void (*set_exit_handler_)(void* environment,
                            std::function<void(void*, int)>&&) = nullptr;
};

}  // namespace truefork
