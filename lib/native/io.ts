// Descriptors, sockets and messages: native/io.
import { addon } from './addon.js';

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

/** The path of a Unix socket, or an IP address and a port. */
export type SocketName = string | [host: string, port: number];

export interface IoFunctions {
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
  /** flock(2), without waiting. */
  lockFile(fd: number, isExclusive: boolean): number;
  /** Blocks the thread. Returns the events that came, 0 after the timeout (ms; negative: none). */
  poll(fd: number, events: number, timeout: number): number;
  /** As poll(), for many: `events` are those to look for, and then those that are there. */
  pollAll(fds: Int32Array, events: Int32Array, timeout: number): number;
  /** A descriptor that is readable when one of those in the set is. */
  makePollSet(): number;
  /** -EPERM: that one is always ready. */
  addToPollSet(set: number, fd: number): number;
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
   * The length of a message of up to `most` bytes, which are behind the header in `bytes`. -EAGAIN:
   * none came. -EPROTO: `out` says what was read: see native/io/frames.cc.
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
  /**
   * Says that all of `bytes` will be written to: large pages cost less to touch for the first time.
   */
  expectAll(bytes: Uint8Array): void;
  /** The user at the other end of a Unix socket, or -1. */
  peerUid(fd: number): number;
  /** Starts a thread that gives what it was given to keep to those with the token. */
  startFdBroker(listener: number): number;
  entrustFds(token: Uint8Array, fds: Int32Array): number;
  revokeFds(token: Uint8Array): void;
  /** All descriptors of a group, which is a number other than 0, can be given up together. */
  groupFds(token: Uint8Array, group: number): void;
  hasFdGroup(group: number): boolean;
  revokeFdGroup(group: number): void;
  /** Around a fork. */
  holdFdBroker(): void;
  releaseFdBroker(): void;
  /** In a forked child, after holdFdBroker(). */
  abandonFdBroker(): void;

  Poller: new (fd: number) => Poller;
}

export const nativeIo: IoFunctions = addon as IoFunctions;
