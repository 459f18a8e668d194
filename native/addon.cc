// The addon, which only lists what its folders have for JavaScript. lib/native/
// has the types.
#include <napi.h>

#include "fork/fork_functions.h"
#include "io/descriptors.h"
#include "io/fd_broker.h"
#include "io/frames.h"
#include "io/look_up.h"
#include "io/poll_set.h"
#include "io/poller.h"
#include "io/sockets.h"
#include "loop/loop_functions.h"
#include "memory/shared_memory.h"
#include "node/node_functions.h"
#include "posix/attributes.h"
#include "posix/semaphores.h"
#include "posix/spawn.h"
#include "posix/wait.h"
#include "queue/ring_object.h"
#include "sync/synchronize.h"
#include "waiter/waiter_thread_object.h"

namespace truefork {

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  RegisterNodeFunctions(env, exports);
  RegisterLoopFunctions(env, exports);
  RegisterForkFunctions(env, exports);
  RegisterAttributes(env, exports);
  RegisterDescriptors(env, exports);
  RegisterFrames(env, exports);
  RegisterLookUp(env, exports);
  RegisterPollSet(env, exports);
  RegisterSemaphores(env, exports);
  RegisterSharedMemory(env, exports);
  RegisterFdBroker(env, exports);
  RegisterSockets(env, exports);
  RegisterWait(env, exports);
  RegisterSpawn(env, exports);
  RegisterSynchronize(env, exports);
  WaiterThreadObject::Register(env, exports);
  Poller::Register(env, exports);
  RingObject::Register(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(truefork, Init)

}  // namespace truefork
