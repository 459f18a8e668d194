#include "node/foreground_tasks.h"

#if defined(__APPLE__)
#include <malloc/malloc.h>
#else
#include <malloc.h>
#endif
#include <pthread.h>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "node/node_internals.h"
#include "node/terminated.h"
#include "node/virtual_table.h"

namespace truefork {

namespace {

using Task = std::unique_ptr<v8::Task>;
// The location is that of newer versions of V8; older ones pass nothing there.
using Post = void (*)(void* runner, Task, const void* location);
using PostDelayed = void (*)(void* runner, Task, double delay,
                             const void* location);

// An object that V8 takes for a v8::TaskRunner.
struct Runner {
  void* const* virtual_table;
};

// How Node posts.
Post post = nullptr;
PostDelayed post_delayed = nullptr;
// Node's own one, for the main thread.
void* nodes_runner = nullptr;

// The child's; those of its ancestors have been left to them.
std::shared_ptr<void> own_runner;
// Where V8's heap has the one for its own tasks, if it keeps one.
std::shared_ptr<void>* heap_runner = nullptr;
pthread_t main_thread;
// True from the fork on until the parent's tasks are done, and again whenever
// one that has come later is being done.
bool is_settling = false;

// The parent's tasks that have come since: from its jobs on other threads, and
// what tasks of its have in turn put off.
std::mutex left_lock;
std::vector<Task> left;
std::vector<Task> next_steps;
uv_async_t* wakeup = nullptr;

bool IsMainThread() { return pthread_equal(pthread_self(), main_thread) != 0; }

// Parts of V8's heap keep the parent's runner for good. They post on the main
// thread, the parent's jobs on others or in one of their tasks.
void PostOne(void* runner, Task task, const void* location) {
  const bool is_main = IsMainThread();
  if (is_main && is_settling) {
    next_steps.push_back(std::move(task));
  } else if (is_main || runner == own_runner.get()) {
    post(nodes_runner, std::move(task), location);
  } else {
    const std::lock_guard<std::mutex> lock(left_lock);
    left.push_back(std::move(task));
    uv_async_send(wakeup);
  }
}

// The parent's jobs post none; V8's heap does.
void PostOneDelayed(void*, Task task, double delay, const void* location) {
  post_delayed(nodes_runner, std::move(task), delay, location);
}

std::shared_ptr<void> GetOwnRunner(void*) { return own_runner; }

void Run(std::vector<Task> tasks) {
  for (Task& task : tasks) {
    RenewTermination();
    NodeInternals::Get().RunForegroundTask(std::move(task));
  }
}

void RunLeft() {
  std::unique_lock<std::mutex> lock(left_lock);
  std::vector<Task> tasks = std::exchange(left, {});
  lock.unlock();
  Run(std::move(tasks));
}

// To compile takes a few steps. Whatever goes on for longer is V8's own: it
// will not let finalizers be terminated, and tries again.
void RunNextSteps() {
  constexpr int kMaxSteps = 4;
  for (int i = 0; i < kMaxSteps && !next_steps.empty(); i++)
    Run(std::exchange(next_steps, {}));
  for (Task& task : std::exchange(next_steps, {}))
    post(nodes_runner, std::move(task), NodeInternals::Location());
}

// Call it at the loop, where no JavaScript is running, and not before
// SettleForegroundTasks: it ends the termination.
template <typename Function>
void RunTerminated(Function run) {
  // Promise jobs of the child's own, if an addon has left some.
  NodeInternals::Get().RunMicrotasks();
  is_settling = true;
  BeginTermination(0);
  RenewTermination();
  run();
  RunNextSteps();
  EndTermination();
  is_settling = false;
}

// The wakeup may come in the turn of the loop in which the process was forked.
// SettleForegroundTasks will then do what has come.
void OnWakeup(uv_async_t*) {
  if (!is_settling) RunTerminated(RunLeft);
}

void OnTimer(uv_timer_t* timer) {
  // The same turn. The timer that begins the child is due before this one.
  if (is_settling) {
    uv_timer_start(timer, OnTimer, 0, 0);
    return;
  }
  RunTerminated([timer] { NodeInternals::Get().ForegroundTimer()(timer); });
}

// Timers that exist before the child has run anything are the parent's.
void DisownTimers(uv_loop_t* loop) {
  uv_walk(
      loop,
      [](uv_handle_t* handle, void*) {
        if (handle->type != UV_TIMER) return;
        auto* timer = reinterpret_cast<uv_timer_t*>(handle);
        if (timer->timer_cb == NodeInternals::Get().ForegroundTimer())
          timer->timer_cb = OnTimer;
      },
      nullptr);
}

int MakeWakeup(uv_loop_t* loop) {
  if (wakeup != nullptr) return 0;  // an ancestor's
  wakeup = new uv_async_t;
  const int error = uv_async_init(loop, wakeup, OnWakeup);
  uv_unref(reinterpret_cast<uv_handle_t*>(wakeup));
  return error;
}

size_t SizeOf(void* allocated) {
#if defined(__APPLE__)
  return malloc_size(allocated);
#else
  return malloc_usable_size(allocated);
#endif
}

// The heap is a part of the isolate.
std::shared_ptr<void>* FindHeapRunner() {
  const NodeInternals& node = NodeInternals::Get();
  const std::shared_ptr<void> data = node.PlatformData();
  // A shared pointer is two: to the object, and to its count.
  const void* const count_of = reinterpret_cast<const void* const*>(&data)[1];
  auto* const words = static_cast<const void**>(node.GetIsolate());
  const size_t count = SizeOf(words) / sizeof(void*);
  for (size_t i = 0; i + 1 < count; i++) {
    if (words[i] == nodes_runner && words[i + 1] == count_of)
      return reinterpret_cast<std::shared_ptr<void>*>(words + i);
  }
  return nullptr;
}

// Puts ourselves between V8 and Node, once for all descendants. Returns whether
// that could be done.
bool Interpose() {
  if (nodes_runner != nullptr) return true;
  const NodeInternals& node = NodeInternals::Get();
  const NodeInternals::ForegroundRunner& nodes = node.GetForegroundRunner();
  post = reinterpret_cast<Post>(nodes.post);
  post_delayed = reinterpret_cast<PostDelayed>(nodes.post_delayed);
  nodes_runner = nodes.runner;
  heap_runner = FindHeapRunner();
  return ReplaceVirtual(nodes.platform_data,
                        {{nodes.get_runner, Address(GetOwnRunner)}}) &&
         ReplaceVirtual(
             nodes.runner,
             {{nodes.post, Address(PostOne)},
              {nodes.post_non_nestable, Address(PostOne)},
              {nodes.post_delayed, Address(PostOneDelayed)},
              {nodes.post_non_nestable_delayed, Address(PostOneDelayed)}});
}

}  // namespace

int DisownForegroundTasks(uv_loop_t* loop) {
  const int error = MakeWakeup(loop);
  if (error != 0) return error;
  if (!Interpose()) return UV_ENOTSUP;
  main_thread = pthread_self();
  is_settling = true;
  DisownTimers(loop);
  // V8 compares runners by their addresses, and may keep one for ever.
  auto* runner = new Runner{*static_cast<void* const* const*>(nodes_runner)};
  own_runner = std::shared_ptr<void>(runner, [](void*) {});
  if (heap_runner != nullptr) *heap_runner = own_runner;
  return 0;
}

void SettleForegroundTasks(uv_loop_t* loop, bool collects) {
  RenewTermination();
  if (collects) NodeInternals::Get().Collect();
  NodeInternals::Get().FlushForegroundTasks();
  RunLeft();
  RunNextSteps();
  // Delayed tasks that were still queued have become timers by now.
  DisownTimers(loop);
  is_settling = false;
}

}  // namespace truefork
