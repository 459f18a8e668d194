#include "io/ancillary.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace truefork {

namespace {

constexpr size_t kSpace = CMSG_SPACE(sizeof(int) * kMaxDescriptors);

union Control {
  cmsghdr header;  // for the alignment
  char space[kSpace];
};

void Take(cmsghdr* header, std::vector<int>* fds) {
  const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  const unsigned char* data = CMSG_DATA(header);
  for (size_t i = 0; i < count; i++) {
    int fd = -1;
    memcpy(&fd, data + i * sizeof(int), sizeof(int));
#if !defined(MSG_CMSG_CLOEXEC)
    fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
    fds->push_back(fd);
  }
}

}  // namespace

ssize_t SendWithDescriptors(int socket, iovec* parts, size_t part_count,
                            const int* fds, size_t count, int flags) {
  Control control{};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = part_count;
  if (count > kMaxDescriptors) {
    errno = EINVAL;
    return -1;
  }
  if (count > 0) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
  }
#if defined(MSG_NOSIGNAL)
  flags |= MSG_NOSIGNAL;
#endif
  ssize_t sent = -1;
  do {
    sent = sendmsg(socket, &message, flags);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

ssize_t ReceiveWithDescriptors(int socket, void* data, size_t length,
                               std::vector<int>* fds, bool* were_lost,
                               int flags) {
  Control control;
  iovec part{data, length};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof(control);
#if defined(MSG_CMSG_CLOEXEC)
  flags |= MSG_CMSG_CLOEXEC;
#endif
  ssize_t received = -1;
  do {
    received = recvmsg(socket, &message, flags);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return received;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
      Take(header, fds);
  }
  // There is always room for all in the message.
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    for (const int fd : *fds) close(fd);
    fds->clear();
    *were_lost = true;
  }
  return received;
}

}  // namespace truefork
