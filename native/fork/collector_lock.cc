#include "fork/collector_lock.h"

#include "node/node_internals.h"

namespace truefork {

CollectorLock::CollectorLock() { NodeInternals::Get().LockCollectors(); }

CollectorLock::~CollectorLock() { NodeInternals::Get().UnlockCollectors(); }

}  // namespace truefork
