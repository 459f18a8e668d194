// Descriptors, and bytes in and out of them.
import { constants } from 'node:os';
import { bytesFrom } from '../common/bytes.js';
import { check } from '../common/errors.js';
import { assertDescriptor, assertInteger } from '../common/validate.js';
import { nativeIo } from '../native/io.js';

function pair(syscall: 'pipe' | 'socketpair'): [number, number] {
  const ends = new Int32Array(2);
  check(nativeIo[syscall](ends), syscall);
  return [ends[0]!, ends[1]!];
}

/**
 * pipe(2) — a pipe: `[read end, write end]`.
 *
 * Both ends are close-on-exec: forked children inherit them, executed programs
 * do not.
 *
 * @throws SystemError `EMFILE`, `ENFILE`
 */
export function pipe(): [reader: number, writer: number] {
  return pair('pipe');
}

/**
 * socketpair(AF_UNIX, SOCK_STREAM) — two connected sockets. Close-on-exec, like
 * {@link pipe}.
 *
 * @throws SystemError `EMFILE`, `ENFILE`
 */
export function socketpair(): [number, number] {
  return pair('socketpair');
}

/** `length`, or as much as there is from `offset` on. */
function lengthOf(buffer: Uint8Array, offset: number, length: number | undefined): number {
  const bytes = bytesFrom(buffer, 'buffer');
  assertInteger(offset, 'offset', 0, bytes.length);
  const most = bytes.length - offset;
  if (length !== undefined) assertInteger(length, 'length', 0, most);
  return length ?? most;
}

/**
 * read(2) — reads up to `length` bytes into `buffer` at `offset`. Blocks the
 * thread if the descriptor does; goes on after a signal (`EINTR`).
 *
 * @returns the number of bytes, 0 at the end of the file
 * @throws SystemError `EAGAIN` if nothing is there and the descriptor does not block
 */
export function read(fd: number, buffer: Uint8Array, offset = 0, length?: number): number {
  assertDescriptor(fd);
  const count = lengthOf(buffer, offset, length);
  return check(nativeIo.read(fd, buffer, offset, count), 'read');
}

/**
 * write(2) — writes up to `length` bytes of `buffer` from `offset` on. Blocks the
 * thread if the descriptor does; goes on after a signal (`EINTR`).
 *
 * @returns the number of bytes written, which may be less than `length`
 * @throws SystemError `EPIPE` if nobody can read them (there is no SIGPIPE in Node), `EAGAIN`
 */
export function write(fd: number, buffer: Uint8Array, offset = 0, length?: number): number {
  assertDescriptor(fd);
  const count = lengthOf(buffer, offset, length);
  return check(nativeIo.write(fd, buffer, offset, count), 'write');
}

/** close(2). @throws SystemError `EBADF` */
export function close(fd: number): void {
  assertDescriptor(fd);
  check(nativeIo.close(fd), 'close');
}

/**
 * dup(2) — another number for what `fd` stands for, close-on-exec.
 *
 * @throws SystemError `EBADF`, `EMFILE`
 */
export function dup(fd: number): number {
  assertDescriptor(fd);
  return check(nativeIo.duplicate(fd), 'dup');
}

/**
 * dup2(2) — makes `newFd` another number for what `oldFd` stands for, closing
 * what `newFd` was before. As POSIX says, `newFd` stays open in executed programs.
 *
 * @returns `newFd`
 * @throws SystemError `EBADF`
 */
export function dup2(oldFd: number, newFd: number): number {
  assertDescriptor(oldFd, 'oldFd');
  assertDescriptor(newFd, 'newFd');
  return check(nativeIo.dup2(oldFd, newFd), 'dup2');
}

const { EAGAIN, ECONNRESET } = constants.errno;

/** For the data paths: {@link read} without checks; undefined if nothing is there yet. */
export function tryRead(
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
): number | undefined {
  const count = nativeIo.read(fd, buffer, offset, length);
  if (count >= 0) return count;
  if (count === -EAGAIN) return undefined;
  // The peer is gone, and had not read all that we sent.
  if (count === -ECONNRESET) return 0;
  return check(count, 'read');
}

/** For the data paths: writev(2) of two buffers; undefined if there is no room yet. */
export function tryWritePair(
  fd: number,
  first: Uint8Array,
  second: Uint8Array,
): number | undefined {
  const count = nativeIo.writePair(fd, first, second);
  return count === -EAGAIN ? undefined : check(count, 'write');
}

/** Makes `fd` fail with `EAGAIN` where it would block, here and wherever it was inherited. */
export function setNonblocking(fd: number): void {
  check(nativeIo.setNonblocking(fd), 'fcntl');
}
