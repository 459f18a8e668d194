// Jumping onto another stack is what this file is for; the checked longjmp of
// _FORTIFY_SOURCE would abort.
#undef _FORTIFY_SOURCE

#include "fork/v8_workers.h"

#include <pthread.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <atomic>
#include <cerrno>
#include <climits>
#include <csetjmp>
#include <memory>
#include <vector>

#include "base/futex.h"
#include "fork/vanished_stacks.h"
#include "node/node_internals.h"

namespace truefork {

namespace {

struct Place {
  sigjmp_buf context;
  pid_t thread;
  pid_t* stack_owner;
};

pid_t ThreadId() {
#if defined(__linux__)
  return static_cast<pid_t>(syscall(SYS_gettid));
#else
  return 0;  // nobody asks
#endif
}

// One attempt to park every worker. Its tasks share it: a task that comes late,
// when the attempt was given up, finds it over and parks nowhere.
struct CarPark {
  explicit CarPark(int workers) : places(workers) {}

  std::vector<Place> places;
  std::atomic<int32_t> taken{0};
  std::atomic<int32_t> parked{0};
  Word full{0};
  Word over{0};
};

// Free of objects with destructors: it is left by a jump in one process and
// returns in the other.
__attribute__((noinline)) void Park(CarPark* park, Place* place) {
  place->thread = ThreadId();
  place->stack_owner = StackOwner();
  if (sigsetjmp(place->context, 1) != 0) return;  // the child's new thread
  const auto all = static_cast<int32_t>(park->places.size());
  if (park->parked.fetch_add(1) + 1 == all) {
    park->full.store(1);
    Wake(&park->full, INT_MAX);
  }
  const Watched over{&park->over, 0};
  while (park->over.load() == 0) Sleep(&over, 1, Deadline::Never());
}

class ParkTask : public v8::Task {
 public:
  explicit ParkTask(std::shared_ptr<CarPark> park) : park_(std::move(park)) {}

  void Run() override {
    if (park_->over.load() != 0) return;
    const int32_t place = park_->taken.fetch_add(1);
    Park(park_.get(), &park_->places[place]);
  }

 private:
  std::shared_ptr<CarPark> park_;
};

std::shared_ptr<CarPark> current;

void* GoOn(void* argument) {
  auto* place = static_cast<Place*>(argument);
  ClaimStack(place->stack_owner);
  siglongjmp(place->context, 1);
}

}  // namespace

int ParkWorkers(int slice_ms) {
  if (current == nullptr) {
    const int workers = NodeInternals::Get().WorkerCount();
    current = std::make_shared<CarPark>(workers);
    for (int i = 0; i < workers; i++)
      NodeInternals::Get().PostToWorker(std::make_unique<ParkTask>(current));
  }
  const Watched full{&current->full, 0};
  Sleep(&full, 1, Deadline::In(slice_ms));
  return current->full.load() == 1 ? 0 : -EINPROGRESS;
}

std::vector<pid_t> ParkedWorkers() {
  std::vector<pid_t> threads;
  for (const Place& place : current->places) threads.push_back(place.thread);
  return threads;
}

void UnparkWorkers() {
  if (current == nullptr) return;
  current->over.store(1);
  Wake(&current->over, INT_MAX);
  current.reset();
}

int ReviveWorkers() {
  // The new threads only lend the workers a kernel thread; their own stacks
  // hold one frame.
  constexpr size_t kStackSize = size_t{256} * 1024;
  for (const Place& place : current->places) KeepStack(place.stack_owner);
  KeepOtherStacks();
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackSize);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  int error = 0;
  for (Place& place : current->places) {
    pthread_t thread;
    error = pthread_create(&thread, &attributes, GoOn, &place);
    if (error != 0) break;
  }
  pthread_attr_destroy(&attributes);
  current->over.store(1);
  current.reset();
  return -error;
}

}  // namespace truefork
