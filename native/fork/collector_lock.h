// The lock that V8's collectors of C++ objects share across isolates. A
// worker_threads Worker that collects garbage holds it; were it forked then,
// the child's first collection would wait for ever.
//
// It relies on the name and type of that lock: guarded by test/stress/stress.
#pragma once

namespace truefork {

// Holds the lock while it lives, in the parent and in the child: as
// pthread_atfork() is used.
class CollectorLock {
 public:
  CollectorLock();
  ~CollectorLock();
  CollectorLock(const CollectorLock&) = delete;
  CollectorLock& operator=(const CollectorLock&) = delete;
};

}  // namespace truefork
