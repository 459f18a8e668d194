// A forked child has one thread. But the stacks of the others are still used
// there: V8's workers go on on theirs (v8_workers.h), and what lived on
// another, like the event loop of a worker_threads Worker, may be reached from
// the heap. glibc takes the stacks of vanished threads for free and would give
// them to the next pthread_create(). It believes a stack to be in use while the
// `tid` in the descriptor of its thread is not zero, and resets the `tid`s in
// every forked child. musl and macOS never reuse those stacks.
//
// It relies on glibc's list of stacks, which is probed before it is used:
// guarded by test/fork/child/lost-workers and test/stress/stress.
#pragma once

#include <sys/types.h>

namespace truefork {

// Finds out where glibc keeps the tid. Call it on the main thread. Returns
// false if it is nowhere to be found.
bool LocateThreadIds();

// The descriptor that owns the stack it is called on; nullptr where nothing
// needs to be done. In a forked child this is not the descriptor of the running
// thread, but that of the thread, generations ago, which the stack was made
// for.
pid_t* StackOwner();

// Call in a forked child, before it makes any thread.
void KeepStack(pid_t* owner);

// Says of the thread that calls it, which is about to go on there, that the
// stack with this owner is its own: V8 asks pthread_getattr_np() where a stack
// begins, and looks for pointers from there to where the thread is.
void ClaimStack(const pid_t* owner);

// Keeps the stacks of those threads, too, that have claimed others, as they are
// taken for what was claimed, and of all those whose descriptors glibc lists as
// its versions do since 2.3: they are taken out of the list, and can be joined.
// Call it in a forked child after KeepStack().
void KeepOtherStacks();

}  // namespace truefork
