// The addon, typed. Nothing outside lib/posix imports it.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ProcessError } from '../common/errors.js';
import { process } from '../common/originals.js';

/** Watches a descriptor from the event loop: libuv's uv_poll_t. */
export interface Poller {
  /** Called with the events that are there, or with a negative errno. */
  onready: (events: number) => void;
  /** Watches for READABLE | WRITABLE. Returns 0 or a negative errno. */
  start(events: number): number;
  stop(): void;
  /** Whether watching keeps the event loop alive. It does unless told otherwise. */
  setRef(keepsAlive: boolean): void;
  close(): void;
}

/** Waits in a thread of its own: native/agent/agent.h. One errand at a time. */
export interface Agent {
  onend: (outcome: number) => void;
  // Each returns 0 or a negative errno.
  acquireLock(buffer: ArrayBuffer, offset: number): number;
  acquireSemaphore(buffer: ArrayBuffer, offset: number): number;
  /** Until a word is not as expected any more, or its sleepers are woken: `[offset, expected, …]`. */
  awaitChange(buffer: ArrayBuffer, words: readonly number[]): number;
  /** Puts a record into the ring; nobody may change the bytes meanwhile. */
  putRecord(ring: Ring, kind: number, bytes: Uint8Array, timeout: number): number;
  takeRecord(ring: Ring, timeout: number): number;
  /** What takeRecord() has taken: see {@link Ring.takenRecord}. Once only. */
  takenRecord(): Buffer;
  /** Puts what waits in the ring's backlog. */
  feed(ring: Ring): number;
  /** Until the ring's tasks are done or lost. */
  joinTasks(ring: Ring): number;
  /** Whether the event loop stays alive until the errand ends: it does. */
  setRef(keepsAlive: boolean): void;
  cancel(): void;
  /** Cancels, and returns the outcome instead of giving it to `onend`; or GOES_ON, and does not. */
  recall(): number;
  /** Blocks the thread until the errand has ended. Returns false after the timeout. */
  awaitEnd(timeout: number): boolean;
  /** Makes the lock that it acquired this thread's; returns whether the kernel knows. */
  adopt(buffer: ArrayBuffer, offset: number): boolean;
  /** Lets go of what it worked on, once the outcome has been made use of. */
  forgetErrand(): void;
  /** In a forked child, where it does not exist. */
  forget(): void;
  close(): void;
}

/** Records in shared memory: native/queue/ring.h. Call map() or attach() first. */
export interface Ring {
  /** Returns 0 or a negative errno. */
  map(size: number, mostRecords: number): number;
  /** The ring of another process. Takes the descriptor, also if it fails. -EINVAL: it is none. */
  attach(fd: number): number;
  /** Of its memory, or a negative errno: it has none, and why. */
  descriptor(): number;
  /** How many records there can be. */
  most(): number;
  /**
   * An outcome (lib/futex/outcome.ts). Blocks the thread; with a negative timeout for a moment only,
   * whatever other processes do.
   */
  put(kind: number, bytes: Uint8Array, timeout: number): number;
  /** The same for the first bytes of the scratch's body. */
  putScratch(kind: number, length: number, timeout: number): number;
  /**
   * The size of the record in the scratch, 0 after the timeout, 1 if it is in takenRecord(), 2 if an
   * agent has to wait for it, or a negative errno. Blocks the thread as put() does.
   */
  take(timeout: number): number;
  /** Eight bytes, of which the fifth is the kind, and the record. Once only. */
  takenRecord(): Buffer;
  /** Returns whether that was possible. */
  putBack(kind: number, bytes: Uint8Array): boolean;
  /** Copies the bytes. Returns whether an agent feeds the ring; if not send one. */
  addToBacklog(kind: number, bytes: Uint8Array): boolean;
  /** What was added last and cannot be fed. */
  withdraw(): void;
  countBacklog(): number;
  /** Blocks the thread until nothing is left. Returns false after the timeout. */
  awaitBacklog(timeout: number): boolean;
  /** Blocks the thread until what is in the ring and what is in the backlog are counted once, or 100 ms. */
  settleBacklog(): void;
  /** In a forked child. */
  forgetBacklog(): void;
  /** How many records there are, with those that processes have in their backlogs. */
  count(): number;
  /** Says that what is taken here is a task (native/queue/tasks.h). */
  countTasks(): void;
  /** Returns false if there was no task that was not done. */
  setTaskDone(): boolean;
  /** An outcome; DONE if all are done or lost. Blocks the thread. */
  joinTasks(timeout: number): number;
  /** How many are lost; they count as done from then on. */
  writeOffTasks(): number;
  isEmpty(): boolean;
}
/** The path of a Unix socket, or an IP address and a port. */
export type SocketName = string | [host: string, port: number];

/**
 * What native/ offers. Unless said otherwise a function returns what the system
 * call of its name returns, or a negative errno.
 */
export interface Native {
  /** The C++ symbol that this build of Node lacks, if any. Call it first, from the main thread. */
  missingSymbol(): string | undefined;
  isInsideVmTimeout(): boolean;
  isSignalCaught(signal: number): boolean;
  /** Makes V8 compile functions without running them. */
  precompile(functions: ((...args: never[]) => unknown)[]): void;
  /**
   * -EINPROGRESS: V8's workers are not parked yet, or not so many JS Workers are asleep; call
   * again, or call giveUpFork(), which returns the id of the thread that did not come to rest, or 0
   * if it was one of V8's workers.
   */
  fork(reportFd: number, loopGoesOn: boolean, jsWorkers: number): number;
  giveUpFork(): number;
  restHandles(keep: Int32Array): number;
  /** Returns what `call` does, which finds all handles to keep the loop alive. */
  withAllReferenced(call: () => object[]): object[];
  abandonStack(begin: () => void, keep: Int32Array, sparedCalls: number, collects: boolean): void;
  resetSignals(): void;
  setExitCode(code: number): void;
  /** Call it in 'beforeExit'. Calls `leave` in the next turn unless there is more to do. */
  atLoopEnd(leave: (() => void) | undefined): void;
  /** Whether 'beforeExit' is being emitted, or what its listeners wait for is being done. */
  isAtLoopEnd(): boolean;
  activeRequests(): number;
  /** Descriptors of files that were opened at `path` to write to them, and whose callbacks are still to come. */
  finishedOpens(path: string): Int32Array;
  startThreadPool(): number;
  hasHandle(fd: number): boolean;

  getpid(): number;
  getppid(): number;
  _exit(code: number): never;
  /** Fills `bytes` with random ones from the kernel. Returns 0. */
  getrandom(bytes: Uint8Array): number;
  /** 0: none, or the kernel has taken it back. */
  parentDeathSignal(): number;
  setParentDeathSignal(signal: number): number;

  pipe(out: Int32Array): number;
  socketpair(out: Int32Array): number;
  read(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  write(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  writePair(fd: number, first: Uint8Array, second: Uint8Array): number;
  close(fd: number): number;
  dup2(from: number, to: number): number;
  /** Another number for the same, close-on-exec. */
  duplicate(fd: number): number;
  setNonblocking(fd: number): number;
  /** Blocks the thread. Returns the events that came, 0 after the timeout (ms; negative: none). */
  poll(fd: number, events: number, timeout: number): number;
  /** As poll(), for many: `events` are those to look for, and then those that are there. */
  pollAll(fds: Int32Array, events: Int32Array, timeout: number): number;
  /** A descriptor that is readable when one of those in the set is. */
  makePollSet(): number;
  /** -EPERM: that one is always ready. */
  addToPollSet(set: number, fd: number): number;

  // Addresses are a path, or an IP address and a port. Sockets do not block.
  socket(host: string, port?: number): number;
  /** -EADDRINUSE */
  bind(fd: number, host: string, port?: number): number;
  listen(fd: number, backlog: number): number;
  /** -EINPROGRESS: it is done when the socket is writable: see socketError(). */
  connect(fd: number, host: string, port?: number): number;
  accept(fd: number): number;
  socketError(fd: number): number;
  getsockname(fd: number): SocketName | number | undefined;
  getpeername(fd: number): SocketName | number | undefined;
  /** 0: no socket; 1: a Unix socket; 2: another one. */
  socketKind(fd: number): number;
  /** Whether it is a socket that listens. */
  isListening(fd: number): boolean;
  /** An IPv4 address, empty if there is none; undefined after the timeout. Blocks the thread. */
  lookUp(host: string, timeout: number): string | number | undefined;
  /** sendmsg(2) of two buffers, with at most 253 descriptors. */
  sendFds(fd: number, first: Uint8Array, second: Uint8Array, fds: Int32Array): number;
  /**
   * recvmsg(2). If descriptors came `out` has their number and them, or -EMFILE if there was no
   * room for them; else it is not touched.
   */
  receive(fd: number, bytes: Uint8Array, offset: number, length: number, out: Int32Array): number;

  /** writev(2) of the header, the kind, if it is not negative, and the bytes of a message. */
  sendFrame(fd: number, kind: number, bytes: Uint8Array): number;
  /**
   * The length of a message of up to `most` bytes, which are behind the header in `bytes`. -EAGAIN: none
   * came. -EPROTO: `out` says what was read: see native/io/frames.cc.
   *
   * @param spin microseconds
   * @param timeout milliseconds; -1: without a limit
   */
  receiveFrame(
    fd: number,
    isSocket: boolean,
    bytes: Uint8Array,
    out: Int32Array,
    most: number,
    spin: number,
    timeout: number,
  ): number;
  /** Says that all of `bytes` will be written to: large pages cost less to touch for the first time. */
  expectAll(bytes: Uint8Array): void;
  /** The user at the other end of a Unix socket, or -1. */
  peerUid(fd: number): number;
  /** Starts a thread that gives what it was given to keep to those with the token. */
  startSharer(listener: number): number;
  keepToShare(token: Uint8Array, fds: Int32Array): number;
  forgetToShare(token: Uint8Array): void;
  /** All descriptors of a group, which is a number other than 0, can be given up together. */
  groupToShare(token: Uint8Array, group: number): void;
  hasGroupToShare(group: number): boolean;
  forgetGroupToShare(group: number): void;
  /** flock(2), without waiting. */
  lockFile(fd: number, isExclusive: boolean): number;
  /** Around a fork. */
  holdSharer(): void;
  releaseSharer(): void;
  /** In a forked child, after holdSharer(). */
  abandonSharer(): void;

  /** An ArrayBuffer over the mapping, or a negative errno. */
  mmap(
    length: number,
    prot: number,
    flags: number,
    fd: number,
    offset: number,
  ): ArrayBuffer | number;
  /** New memory, with a descriptor if there may be one more. An ArrayBuffer or a negative errno. */
  mapShareable(length: number): ArrayBuffer | number;
  /** A negative errno: it has none, and why. */
  descriptorOfMapping(buffer: ArrayBuffer): number;
  /** Memory of mapShareable(), which may be mapped already. Takes the descriptor, unless it fails. */
  mapDescriptor(fd: number, fresh: boolean): ArrayBuffer | number;
  /**
   * Leaves the buffer without bytes. -EINVAL: not of mmap(), or unmapped already.
   *
   * @param isPublic whether requests that are under way may use the memory
   */
  munmap(buffer: ArrayBuffer, isPublic: boolean): number;
  /** Unmaps what had to stay because of such requests; returns how many still have to. */
  unmapRetired(): number;
  shmOpen(name: string, flags: number, mode: number): number;
  shmUnlink(name: string): number;
  ftruncate(fd: number, length: number): number;

  /** A number that stands for the semaphore in this thread. */
  semOpen(name: string, flags: number, mode: number, value: number): number;
  semClose(sem: number): number;
  semUnlink(name: string): number;
  semPost(sem: number): number;
  semTryWait(sem: number): number;
  /** Blocks the thread for `timeout` milliseconds, Infinity: without a limit. */
  semWait(sem: number, timeout: number): number;
  semGetValue(sem: number): number;

  /** The pid of a shell that no SIGINT, SIGTERM or SIGHUP ends, and that reads from `input`. */
  spawnShell(script: string, argument: string, input: number): number;
  wait4(pid: number, options: number, out: Float64Array): number;
  pidfdOpen(pid: number): number;
  pidfdSendSignal(pidfd: number, signal: number): number;
  kill(pid: number, signal: number): number;

  /** The id that this thread has in the words of locks. */
  lockerId(): number;
  /** `[first link, distance of a word from its link, pending link]`, each of 64 bits. */
  robustHead(): ArrayBuffer;
  /** Whether something keeps the kernel from knowing it. */
  isRobustListRefused(): boolean;
  /** In a forked child. */
  renewRobustList(): void;
  robustWordOffset(): number;
  addressOf(buffer: ArrayBuffer): number;
  /** An outcome (lib/futex/outcome.ts). Blocks the thread. */
  acquireLock(buffer: ArrayBuffer, offset: number, timeout: number): number;
  /** `isLeft`: the next one learns that its owner has died. */
  releaseLock(buffer: ArrayBuffer, offset: number, isListed: boolean, isLeft: boolean): void;
  /** For one in this thread's list that another has released. */
  unlistLock(buffer: ArrayBuffer, offset: number): void;
  /** Returns whether anybody held it. */
  releaseLockOfAnother(buffer: ArrayBuffer, offset: number): boolean;
  /** An outcome. Blocks the thread. */
  acquireSemaphore(buffer: ArrayBuffer, offset: number, timeout: number): number;
  /** Blocks the thread until a word is not as expected, `[offset, expected, …]`, or earlier. */
  sleep(buffer: ArrayBuffer, words: readonly number[], timeout: number): void;
  /** Returns how many it woke. */
  wake(buffer: ArrayBuffer, offset: number, most: number): number;

  /** Memory of this thread for short records: eight bytes, as in takenRecord(), and the body. */
  ringScratch(): ArrayBuffer;

  Agent: new () => Agent;
  Poller: new (fd: number) => Poller;
  Ring: new () => Ring;
}

/** Which C library this process has loaded: a binary for the one does not load with the other. */
function libc(): string {
  if (process.platform !== 'linux') return '';
  try {
    return readFileSync('/proc/self/maps', 'utf8').includes('/ld-musl-') ? '.musl' : '.glibc';
  } catch {
    return '.glibc'; // the usual one, as far as can be told without /proc
  }
}

function reasonOf(binary: string, cause: NodeJS.ErrnoException): string {
  if (cause.code === 'ERR_DLOPEN_DISABLED') {
    return (
      'truefork is a native addon, which this program may not load: run node with --allow-addons and ' +
      '--allow-inspector, or without --permission and --no-addons'
    );
  }
  if (existsSync(binary)) return `truefork cannot load ${binary}: ${cause.message}`;
  return (
    `truefork has no binary for ${process.platform}-${process.arch}${libc()}. In a checkout with a C++ ` +
    'compiler, `npm run build` makes one. Windows is not supported.'
  );
}

function load(): Native {
  const require = createRequire(import.meta.url);
  const root = dirname(require.resolve('truefork/package.json'));
  const built = join(root, 'build/Release/truefork.node');
  const platform = `${process.platform}-${process.arch}`;
  const prebuilt = join(root, `prebuilds/${platform}/truefork${libc()}.node`);
  const binary = existsSync(built) ? built : prebuilt;
  try {
    return require(binary) as Native;
  } catch (cause) {
    const reason = reasonOf(binary, cause as NodeJS.ErrnoException);
    throw new ProcessError('ERR_TRUEFORK_UNSUPPORTED', reason, { cause });
  }
}

export const native: Native = load();
