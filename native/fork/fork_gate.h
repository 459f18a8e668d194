// A forked child waits until its parent has seen that the fork was good.
#pragma once

namespace truefork {

// In the parent, before the fork. 0 or -errno.
int CloseForkGate();

// In the parent, after it.
void OpenForkGate();

// In the child. Does not return if the parent has died.
void PassForkGate();

}  // namespace truefork
