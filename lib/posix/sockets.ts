// Stream sockets, and descriptors that go through Unix sockets.
import { constants } from 'node:os';
import { bytesFrom } from '../common/bytes.js';
import { check, systemError } from '../common/errors.js';
import { assertDescriptor, assertInteger, assertType, outOfRange } from '../common/validate.js';
import { type SocketName, nativeIo } from '../native/io.js';
import { close } from './descriptors.js';
import { waitUntilReady, WRITABLE } from './poller.js';

export type { SocketName };

/** How many descriptors the kernel takes with one message. */
export const MAX_DESCRIPTORS = 253;

const { EAGAIN, ECONNRESET, EINPROGRESS, EMFILE, EMSGSIZE, ENAMETOOLONG } = constants.errno;
const NOTHING = new Uint8Array(0);
/** libuv's number for a name without an address. */
const NOT_FOUND = -3008;

/**
 * sendmsg(2) with SCM_RIGHTS — sends descriptors through a Unix socket, beside `buffer`, which has
 * at least one byte. They stay open here; the receiver gets numbers of its own for the same open
 * files.
 *
 * @param fds at most 253
 * @param buffer default: one byte, zero
 * @returns the number of bytes that were sent, which may be less than there are; the descriptors go
 *   with the first of them
 * @throws SystemError `EAGAIN`, `EPIPE`, `EBADF`; `ENOTSOCK`, `EINVAL` where `socket` is no Unix
 *   socket; `ETOOMANYREFS` if more are on their way than this process may have open (RLIMIT_NOFILE)
 */
export function sendFds(
  socket: number,
  fds: readonly number[],
  buffer: Uint8Array = Uint8Array.of(0),
): number {
  assertDescriptor(socket, 'socket');
  assertType(Array.isArray(fds), 'fds', 'an array of descriptors', fds);
  for (const fd of fds) assertDescriptor(fd, 'fds');
  assertInteger(fds.length, 'fds.length', 0, MAX_DESCRIPTORS);
  const bytes = bytesFrom(buffer, 'buffer');
  if (bytes.length === 0) throw outOfRange('buffer.length', '>= 1', 0);
  return check(nativeIo.sendFds(socket, NOTHING, bytes, Int32Array.from(fds)), 'sendmsg');
}

/** The bytes, and what came with them. */
export interface Received {
  /** How many bytes of the buffer were filled; 0 at the end. */
  length: number;
  /** Close-on-exec, and the caller's to close. */
  fds: number[];
}

/**
 * recvmsg(2) — receives bytes into `buffer`, and the descriptors that were sent with the first
 * of them.
 *
 * @param maxFds how many there may be; 253, the default, is as many as one message can have
 * @throws SystemError `EAGAIN`, `ENOTSOCK`; `EMSGSIZE` if there are more than `maxFds`, `EMFILE` if
 *   this process cannot have so many open: in both cases none are left open, and the bytes are lost
 */
export function recvFds(
  socket: number,
  buffer: Uint8Array,
  maxFds: number = MAX_DESCRIPTORS,
): Received {
  assertDescriptor(socket, 'socket');
  const bytes = bytesFrom(buffer, 'buffer');
  assertInteger(maxFds, 'maxFds', 0, MAX_DESCRIPTORS);
  const fds: number[] = [];
  const length = check(receive(socket, bytes, 0, bytes.length, fds), 'recvmsg');
  if (wereLost(fds)) throw systemError(-EMFILE, 'recvmsg');
  if (fds.length > maxFds) {
    for (const fd of fds) close(fd);
    throw systemError(-EMSGSIZE, 'recvmsg');
  }
  return { length, fds };
}

/** The value in a list for descriptors that did not find room in this process. */
export const LOST = -1;

export function wereLost(fds: readonly number[]): boolean {
  return fds.includes(LOST);
}

const arrived = new Int32Array(1 + MAX_DESCRIPTORS);

/** recvmsg(2): what it returns, or a negative errno. Appends the descriptors that came to `fds`. */
function receive(
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  fds: number[],
): number {
  const count = nativeIo.receive(fd, buffer, offset, length, arrived);
  const [number] = arrived;
  if (number !== 0) {
    arrived[0] = 0;
    if (number! < 0) fds.push(LOST);
    else for (const arrival of arrived.subarray(1, 1 + number!)) fds.push(arrival);
  }
  return count;
}

/**
 * For the data paths: {@link recvFds} without checks; undefined if nothing is there yet. Appends
 * the descriptors that came to `fds`: see {@link wereLost}.
 */
export function tryReceive(
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  fds: number[],
): number | undefined {
  const count = receive(fd, buffer, offset, length, fds);
  if (count >= 0) return count;
  if (count === -EAGAIN) return undefined;
  // The peer is gone, and had not read all that we sent.
  return count === -ECONNRESET ? 0 : check(count, 'recvmsg');
}

/** For the data paths: {@link sendFds} of two buffers; undefined if there is no room yet. */
export function trySendFds(
  socket: number,
  first: Uint8Array,
  second: Uint8Array,
  fds: readonly number[],
): number | undefined {
  const count = nativeIo.sendFds(socket, first, second, Int32Array.from(fds));
  return count === -EAGAIN ? undefined : check(count, 'sendmsg');
}

/** The kind of a descriptor. */
export type SocketKind = 'none' | 'unix' | 'other';

export function socketKind(fd: number): SocketKind {
  return (['none', 'unix', 'other'] as const)[nativeIo.socketKind(fd)]!;
}

/** Whether `fd` is a socket that listens. */
export function isListening(fd: number): boolean {
  return nativeIo.isListening(fd);
}

function split(name: SocketName): [host: string, port?: number] {
  return typeof name === 'string' ? [name] : name;
}

/** Makes a socket, and does something with it: `syscall`. Closes it if that fails. */
function socketFor(name: SocketName, syscall: string, use: (fd: number) => void): number {
  const fd = nativeIo.socket(...split(name));
  check(fd, fd === -ENAMETOOLONG ? syscall : 'socket');
  try {
    use(fd);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** socket(2), bind(2), listen(2). The descriptor does not block. */
export function listenOn(name: SocketName, backlog: number): number {
  return socketFor(name, 'bind', (fd) => {
    check(nativeIo.bind(fd, ...split(name)), 'bind');
    check(nativeIo.listen(fd, backlog), 'listen');
  });
}

/** accept(2): a descriptor that does not block; undefined if nobody is there. */
export function tryAccept(listener: number): number | undefined {
  const fd = nativeIo.accept(listener);
  return fd === -EAGAIN ? undefined : check(fd, 'accept');
}

/** A connection that is being made. */
export class Connecting {
  readonly fd: number;
  readonly #name: SocketName;
  #isUnderWay = false;

  constructor(name: SocketName) {
    this.#name = name;
    this.fd = socketFor(name, 'connect', () => {});
  }

  /**
   * Whether its descriptor is writable when there is something new to know. Else try again later.
   */
  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  /** Goes on. Returns whether it is made. @throws SystemError */
  step(): boolean {
    if (this.#isUnderWay) {
      if (!waitUntilReady(this.fd, WRITABLE, 0)) return false;
      check(nativeIo.socketError(this.fd), 'connect');
      return true;
    }
    const made = nativeIo.connect(this.fd, ...split(this.#name));
    if (made === -EAGAIN) return false; // too many wait to be accepted, at a Unix socket
    this.#isUnderWay = made === -EINPROGRESS;
    if (!this.#isUnderWay) check(made, 'connect');
    return !this.#isUnderWay;
  }
}

function nameFrom(found: SocketName | number | undefined, syscall: string): SocketName {
  if (typeof found === 'number') check(found, syscall);
  return (found as SocketName | undefined) ?? '';
}

/** Where a socket is bound to. */
export function getsockname(fd: number): SocketName {
  return nameFrom(nativeIo.getsockname(fd), 'getsockname');
}

/** Where its peer is: empty for a Unix socket without a name. */
export function getpeername(fd: number): SocketName {
  return nameFrom(nativeIo.getpeername(fd), 'getpeername');
}

function notFound(host: string): Error {
  const error = new Error(`getaddrinfo ENOTFOUND ${host}`);
  return Object.assign(error, {
    errno: NOT_FOUND,
    code: 'ENOTFOUND',
    syscall: 'getaddrinfo',
    host,
  });
}

/**
 * The first IPv4 address of a host; undefined if it is not known after `timeout` ms. Blocks the
 * thread.
 *
 * @throws SystemError `ENOTFOUND`; `EAGAIN`: no threads
 */
export function lookUpSync(host: string, timeout: number): string | undefined {
  const found = nativeIo.lookUp(host, timeout);
  if (found === '') throw notFound(host);
  if (typeof found === 'number') check(found, 'pthread_create');
  return found as string | undefined;
}
