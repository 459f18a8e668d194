#include "node/node_internals.h"

#include <dlfcn.h>

// The C++ library is part of a mangled name: std::unique_ptr is std::__1's on
// macOS.
#if defined(_LIBCPP_VERSION)
#define UNIQUE_TASK_AFTER_NODE \
  "NSt3__110unique_ptrIN2v84TaskENS1_14default_deleteIS4_EEEE"
#define UNIQUE_TASK_AFTER_PRIORITY \
  "NSt3__110unique_ptrINS1_4TaskENS3_14default_deleteIS5_EEEE"
#define LOCATION_AFTER_TASK "RKNS3_14SourceLocationE"
#define EXIT_FUNCTION "ONSt3__18functionIFvS1_iEEE"
#else
#define UNIQUE_TASK_AFTER_NODE \
  "St10unique_ptrIN2v84TaskESt14default_deleteIS3_EE"
#define UNIQUE_TASK_AFTER_PRIORITY \
  "St10unique_ptrINS1_4TaskESt14default_deleteIS4_EE"
#define LOCATION_AFTER_TASK "RKNS2_14SourceLocationE"
#define EXIT_FUNCTION "OSt8functionIFvS1_iEE"
#endif

#define PLATFORM_DATA "N4node22PerIsolatePlatformData"

namespace truefork {

namespace {

// v8::TaskPriority and v8::SourceLocation, which the newer way to post takes.
constexpr uint8_t kUserBlocking = 2;
struct SourceLocation {
  const char* function = nullptr;
  const char* file = nullptr;
  size_t line = 0;
};

using PostTask = void (*)(void* platform, std::unique_ptr<v8::Task>);
using PostTaskWithPriority = void (*)(void* platform, uint8_t priority,
                                      std::unique_ptr<v8::Task>,
                                      const void* location);

}  // namespace

// Collects symbols and remembers the first one that is missing.
class NodeInternals::Symbols {
 public:
  template <typename Function>
  void Find(const char* name, Function* function) {
    *function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
    if (*function == nullptr && missing_ == nullptr) missing_ = name;
  }

  [[nodiscard]] const char* missing() const { return missing_; }

 private:
  const char* missing_ = nullptr;
};

NodeInternals NodeInternals::instance_;
bool NodeInternals::loaded_ = false;

void NodeInternals::FindForeground(Symbols* symbols) {
  ForegroundRunner& it = foreground_;
  symbols->Find("_ZN4node12NodePlatform14ForNodeIsolateEPN2v87IsolateE",
                &platform_data_of_);
  symbols->Find("_ZN4node12NodePlatform20FlushForegroundTasksEPN2v87IsolateE",
                &flush_foreground_);
  symbols->Find("_Z" PLATFORM_DATA "17RunForegroundTaskEP10uv_timer_s",
                &foreground_timer_);
  symbols->Find("_Z" PLATFORM_DATA
                "17RunForegroundTaskE" UNIQUE_TASK_AFTER_NODE,
                &run_foreground_);
  symbols->Find("_Z" PLATFORM_DATA "23GetForegroundTaskRunnerEv",
                &it.get_runner);
  // V8 calls thunks: the runner is the object's second base.
#define THUNK(name) "_ZThn8_" PLATFORM_DATA name "E" UNIQUE_TASK_AFTER_NODE
  // Node 24 and later: the caller says where it is.
  it.post = dlsym(RTLD_DEFAULT, THUNK("12PostTaskImpl") LOCATION_AFTER_TASK);
  if (it.post != nullptr) {
    symbols->Find(THUNK("23PostNonNestableTaskImpl") LOCATION_AFTER_TASK,
                  &it.post_non_nestable);
    symbols->Find(THUNK("19PostDelayedTaskImpl") "d" LOCATION_AFTER_TASK,
                  &it.post_delayed);
    symbols->Find(
        THUNK("30PostNonNestableDelayedTaskImpl") "d" LOCATION_AFTER_TASK,
        &it.post_non_nestable_delayed);
    return;
  }
  symbols->Find(THUNK("8PostTask"), &it.post);
  symbols->Find(THUNK("19PostNonNestableTask"), &it.post_non_nestable);
  symbols->Find(THUNK("15PostDelayedTask") "d", &it.post_delayed);
  symbols->Find(THUNK("26PostNonNestableDelayedTask") "d",
                &it.post_non_nestable_delayed);
#undef THUNK
}

const char* NodeInternals::Load() {
  if (loaded_) return nullptr;
  NodeInternals& it = instance_;
  Symbols symbols;
  void* (*current_isolate)() = nullptr;
  void* (*current_context)(void* isolate) = nullptr;
  void* (*environment_of)(void* context) = nullptr;
  void* (*platform_of)(void* environment) = nullptr;
  symbols.Find("_ZN2v87Isolate10GetCurrentEv", &current_isolate);
  symbols.Find("_ZN2v87Isolate17GetCurrentContextEv", &current_context);
  symbols.Find("_ZN4node21GetCurrentEnvironmentEN2v85LocalINS0_7ContextEEE",
               &environment_of);
  symbols.Find("_ZN4node23GetMultiIsolatePlatformEPNS_11EnvironmentE",
               &platform_of);
  symbols.Find("_ZN4node8Watchdog5TimerEP10uv_timer_s", &it.watchdog_timer_);
  symbols.Find("_ZN4node11Environment9RunTimersEP10uv_timer_s",
               &it.run_timers_);
  symbols.Find("_ZN2v87Isolate18TerminateExecutionEv", &it.terminate_);
  symbols.Find("_ZN2v87Isolate24CancelTerminateExecutionEv",
               &it.cancel_termination_);
  symbols.Find("_ZN2v815MicrotasksScope17PerformCheckpointEPNS_7IsolateE",
               &it.run_microtasks_);
  symbols.Find("_ZN2v87Isolate21LowMemoryNotificationEv", &it.collect_);
  symbols.Find("_ZN2v87Isolate24AddCallCompletedCallbackEPFvPS0_E",
               &it.add_call_completed_);
  symbols.Find("_ZN2v87Isolate27RemoveCallCompletedCallbackEPFvPS0_E",
               &it.remove_call_completed_);
  symbols.Find("_ZN2v87Isolate30AddMicrotasksCompletedCallbackEPFvPS0_PvES2_",
               &it.add_microtasks_completed_);
  symbols.Find(
      "_ZN2v87Isolate33RemoveMicrotasksCompletedCallbackEPFvPS0_PvES2_",
      &it.remove_microtasks_completed_);
  symbols.Find("_ZN5cppgc8internal20PersistentRegionLockC1Ev",
               &it.lock_collectors_);
  symbols.Find("_ZN5cppgc8internal20PersistentRegionLockD1Ev",
               &it.unlock_collectors_);
  it.measure_clock_ = reinterpret_cast<double (*)()>(
      dlsym(RTLD_DEFAULT, "_ZN4absl13base_internal19NominalCPUFrequencyEv"));
  symbols.Find("_ZN4node12NodePlatform21NumberOfWorkerThreadsEv",
               &it.worker_count_);
  symbols.Find(
      "_ZN4node21SetProcessExitHandlerEPNS_11EnvironmentE" EXIT_FUNCTION,
      &it.set_exit_handler_);
  it.FindForeground(&symbols);
  // Node 20 posts with CallOnWorkerThread, its successors with a priority.
  it.post_ = dlsym(
      RTLD_DEFAULT,
      "_ZN4node12NodePlatform18CallOnWorkerThreadE" UNIQUE_TASK_AFTER_NODE);
  if (it.post_ == nullptr) {
    it.post_takes_priority_ = true;
    symbols.Find(
        "_ZN4node12NodePlatform26PostTaskOnWorkerThreadImplEN2v812TaskPriority"
        "E" UNIQUE_TASK_AFTER_PRIORITY "RKNS1_14SourceLocationE",
        &it.post_);
  }
  if (symbols.missing() != nullptr) return symbols.missing();

  it.isolate_ = current_isolate();
  it.environment_ = environment_of(current_context(it.isolate_));
  it.platform_ = platform_of(it.environment_);
  void* const platform_data =
      it.platform_data_of_(it.platform_, it.isolate_).get();
  it.foreground_.platform_data = platform_data;
  it.foreground_.runner = static_cast<void**>(platform_data) + 1;
  loaded_ = true;
  return nullptr;
}

int NodeInternals::WorkerCount() const {
  // Node counts the thread that schedules delayed tasks among them.
  return worker_count_(platform_) - 1;
}

const void* NodeInternals::Location() {
  static constexpr SourceLocation kHere{__func__, __FILE__, __LINE__};
  return &kHere;
}

void NodeInternals::PostToWorker(std::unique_ptr<v8::Task> task) const {
  if (post_takes_priority_) {
    reinterpret_cast<PostTaskWithPriority>(post_)(platform_, kUserBlocking,
                                                  std::move(task), Location());
  } else {
    reinterpret_cast<PostTask>(post_)(platform_, std::move(task));
  }
}

void NodeInternals::SetExitHandler(
    std::function<void(void*, int)> handler) const {
  set_exit_handler_(environment_, std::move(handler));
}

}  // namespace truefork
