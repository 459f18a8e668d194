// Descriptors that go from process to process beside the bytes of a Unix socket
// (SCM_RIGHTS).
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <vector>

namespace truefork {

// How many the kernel takes with one message: Linux's SCM_MAX_FD.
constexpr size_t kMaxDescriptors = 253;

// sendmsg(2) of `parts` with `count` descriptors, which stay open here. Returns
// its result.
ssize_t SendWithDescriptors(int socket, iovec* parts, size_t part_count,
                            const int* fds, size_t count, int flags);

// recvmsg(2). Descriptors that come are close-on-exec, and appended to `fds`.
// If some were lost because there is no room for them in this process, the
// others are closed, and `were_lost` is set.
ssize_t ReceiveWithDescriptors(int socket, void* data, size_t length,
                               std::vector<int>* fds, bool* were_lost,
                               int flags);

}  // namespace truefork
