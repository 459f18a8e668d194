// V8 collects garbage and compiles on worker threads, and only the thread that
// calls fork() lives on in the child. So before a fork each worker is parked:
// it gets a task that stores the worker's context and sleeps. Then none holds a
// lock or is in the middle of a job. In the child as many new threads jump into
// the stored contexts and go on, on the old stacks, as though nothing had
// happened; whatever V8 had queued or promised still comes true.
//
// It relies on Node's platform, which has one queue of tasks for all workers:
// guarded by test/stress/stress and test/contexts/contexts.
#pragma once

#include <sys/types.h>

#include <vector>

namespace truefork {

// Asks V8's workers to park, if nobody has yet, and waits up to `slice_ms`.
// Returns 0 when all are parked and -EINPROGRESS when some are not: then let V8
// handle its interrupts (a worker may be waiting for this thread to collect
// garbage) and call again.
int ParkWorkers(int slice_ms);

// The ids of the threads that are parked.
std::vector<pid_t> ParkedWorkers();

// In the parent, or when the fork is given up: the workers go on.
void UnparkWorkers();

// In the child: makes the threads that go on as the workers. 0 or -errno.
int ReviveWorkers();

}  // namespace truefork
