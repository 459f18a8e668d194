// A forked child waits until its parent has seen that the fork was good.
#pragma once

namespace truefork {

// In the parent, before the fork. 0 or -errno.
int PrepareVerdict();

// In the parent, after it.
void LetChildGo();

// In the child. Does not return if the parent has died.
void AwaitVerdict();

}  // namespace truefork
