// A forked child has one thread; what ran on the stacks of the others goes on
// there (v8_workers.h). But glibc takes the stacks of vanished threads for free
// and would give them to the next pthread_create(). It believes a stack to be
// in use while the `tid` in the descriptor of its thread is not zero, and
// resets the `tid`s in every forked child. musl and macOS never reuse those
// stacks.
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

// KeepStack() for those whose threads have claimed others: they are taken for
// what was claimed. Call it in a forked child, too.
void KeepClaimants();

}  // namespace truefork
