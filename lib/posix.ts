/**
 * `truefork/posix`: the system calls, thinly. Names and semantics are those of
 * POSIX and Linux; a failed call throws a {@link SystemError} with `errno`, `code`
 * and `syscall`; all of them block as the call does.
 *
 * @module
 */
// oxlint-disable-next-line import/no-unassigned-import -- it has something to do in each child
import './fork/child/lost-workers.js';
export type { SystemError } from './common/errors.js';
export { _exit, getppid } from './posix/attributes.js';
export { close, dup, dup2, pipe, read, socketpair, write } from './posix/descriptors.js';
export { type AtForkHooks, registerAtFork } from './fork/at-fork.js';
export { fork, type ForkMessage } from './fork/fork.js';
export {
  ftruncate,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  mmap,
  munmap,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  shmOpen,
  shmUnlink,
} from './posix/memory.js';
export {
  semClose,
  semGetValue,
  semOpen,
  semPost,
  semTryWait,
  semUnlink,
  semWait,
} from './posix/semaphores.js';
export { recvFds, sendFds } from './posix/sockets.js';
export type { Received } from './posix/sockets.js';
export {
  decodeWaitStatus,
  kill,
  pidfdOpen,
  pidfdSendSignal,
  wait4,
  waitpid,
  WCONTINUED,
  WNOHANG,
  WUNTRACED,
} from './posix/wait.js';
export type { ResourceUsage, WaitStatus } from './posix/wait.js';
