// Memory that processes share.
import { constants as bufferLimits } from 'node:buffer';
import { constants as files } from 'node:fs';
import { types } from 'node:util';
import { check } from '../common/errors.js';
import { clearInterval, process, setInterval } from '../common/originals.js';
import { onForkedChild } from '../common/per-process.js';
import { precompileForChildren } from '../common/precompiled.js';
import {
  assertCString,
  assertDescriptor,
  assertFlags,
  assertInt,
  assertInteger,
  assertType,
} from '../common/validate.js';
import { nativeMemory } from '../native/memory.js';

/** The pages of a mapping cannot be used. Combine the protections of {@link mmap} with `|`. */
export const PROT_NONE = 0;
/** They can be read. */
export const PROT_READ = 1;
/** They can be written. */
export const PROT_WRITE = 2;

/** Writes are seen by all processes that have mapped the object, or were forked since. */
export const MAP_SHARED = 1;
/** Writes are seen by this process alone. */
export const MAP_PRIVATE = 2;
/** A mapping of new memory, all zeros, and not of a descriptor. */
export const MAP_ANONYMOUS: number = process.platform === 'linux' ? 0x20 : 0x1000;

const READ_WRITE = PROT_READ | PROT_WRITE;
const ANONYMOUS = MAP_SHARED | MAP_ANONYMOUS;
const MAP_FLAGS = ANONYMOUS | MAP_PRIVATE;

const { O_CREAT, O_EXCL, O_RDWR, O_TRUNC } = files;

/**
 * mmap(2) — maps `length` bytes, and returns an ArrayBuffer that is that memory: typed
 * arrays, Buffers and `Atomics` work on it. The kernel chooses the address.
 *
 * Without further arguments it is new memory, all zeros, that children forked from here on
 * share with this process. It is unmapped by {@link munmap}, or when the last reference to the
 * buffer is gone; in each process for itself.
 *
 * This is the memory as the kernel gives it: to write where `prot` lacks `PROT_WRITE` ends the
 * process with SIGSEGV, and to use bytes behind the end of the mapped file with SIGBUS.
 *
 * @param length in bytes, from 1 to `buffer.constants.MAX_LENGTH` (4 GiB on Node 20)
 * @param prot default: `PROT_READ | PROT_WRITE`
 * @param flags default: `MAP_SHARED | MAP_ANONYMOUS`; one of the first two always
 * @param fd what to map, if not `MAP_ANONYMOUS`; it may be closed afterwards
 * @param offset where in it to begin: a multiple of the page size
 * @throws RangeError `ERR_OUT_OF_RANGE`: also with other protections and flags
 * @throws SystemError `ENOMEM`: no memory, or more mappings than the kernel allows
 *   (vm.max_map_count); `EACCES`, `EBADF`, `EINVAL`, `ENODEV`, `EPERM`; `ENOTSUP` where this build
 *   of Node has no ArrayBuffers over foreign memory
 */
export function mmap(
  length: number,
  prot: number = READ_WRITE,
  flags: number = ANONYMOUS,
  fd = -1,
  offset = 0,
): ArrayBuffer {
  assertInteger(length, 'length', 1, bufferLimits.MAX_LENGTH);
  assertFlags(prot, 'prot', READ_WRITE, 'PROT_READ and PROT_WRITE');
  assertFlags(flags, 'flags', MAP_FLAGS, 'MAP_SHARED or MAP_PRIVATE, and MAP_ANONYMOUS');
  assertInt(fd, 'fd', -1);
  assertInteger(offset, 'offset', 0);
  return mapped(nativeMemory.mmap(length, prot, flags, fd, offset));
}

function mapped(result: ArrayBuffer | number): ArrayBuffer {
  if (typeof result === 'number') check(result, 'mmap');
  return result as ArrayBuffer;
}

/**
 * As {@link mmap} of new memory, which other processes than children can get, too: it has a
 * descriptor, unless a quarter of those that this process may have is in such use.
 */
export function mapShareable(length: number): ArrayBuffer {
  assertInteger(length, 'length', 1, bufferLimits.MAX_LENGTH);
  return mapped(nativeMemory.mapShareable(length));
}

/** The descriptor of a mapping, which is closed with it; a negative errno: it has none, and why. */
export function descriptorOf(buffer: ArrayBuffer): number {
  return nativeMemory.descriptorOfMapping(buffer);
}

/**
 * Maps the memory behind the descriptor of a mapping, or returns the mapping that this process has
 * of it.
 *
 * @param fd the mapping's from now on, unless this throws
 * @param fresh whether to map it again in any case
 * @throws SystemError `EINVAL` if it is no such memory; `ENOMEM`
 */
export function mapDescriptor(fd: number, fresh = false): ArrayBuffer {
  return mapped(nativeMemory.mapDescriptor(fd, fresh));
}

/** How often to look whether the requests that memory had to stay for have ended. */
const LOOK_EVERY_MS = 10;

let looking: NodeJS.Timeout | undefined;

/** Unmaps what {@link munmap} could not, or looks again soon. */
function unmapRetired(): void {
  if (nativeMemory.unmapRetired() > 0) {
    looking ??= setInterval(unmapRetired, LOOK_EVERY_MS).unref();
  } else if (looking !== undefined) {
    clearInterval(looking);
    looking = undefined;
  }
}

/**
 * Requests that were under way at the fork are the parent's. A child that does not go on with its
 * parent's work calls it again at its event loop: before that it has its parent's requests and
 * timers.
 */
export function unmapRetiredInChild(): void {
  looking = undefined;
  unmapRetired();
}

onForkedChild(unmapRetiredInChild);
precompileForChildren(unmapRetired);

/**
 * munmap(2) — gives the whole mapping back, in this process. The buffer, and every typed array
 * over it, is empty from then on: reading gives undefined, writing does nothing.
 *
 * Requests of Node that use the memory (`fs.read`, `crypto.randomFill`, zlib) go on as if
 * nothing had happened: if requests are under way it stays mapped until none is, or until
 * nobody has the buffer any more.
 *
 * @param buffer what {@link mmap} has returned, or `transfer()` has made of it
 * @throws SystemError `EINVAL` if it is no such buffer, or was unmapped before
 */
export function munmap(buffer: ArrayBuffer): void {
  assertType(types.isArrayBuffer(buffer), 'buffer', 'an instance of ArrayBuffer', buffer);
  check(nativeMemory.munmap(buffer, true), 'munmap');
  unmapRetired();
}

/** As {@link munmap}, of a buffer that was never given to anybody. */
export function munmapPrivate(buffer: ArrayBuffer): void {
  check(nativeMemory.munmap(buffer, false), 'munmap');
}

/**
 * shm_open(3) — opens a shared memory object, to give it a size ({@link ftruncate}) and to map it
 * ({@link mmap}). The descriptor is close-on-exec.
 *
 * @param name a slash and up to 254 bytes without one: `'/name'`. On Linux it is the file of that
 *   name in /dev/shm
 * @param flags `O_RDWR` or `O_RDONLY`, and `O_CREAT`, `O_EXCL`, `O_TRUNC` of `fs.constants`
 * @param mode the permissions of one that it makes, less the umask; default: `0o600`
 * @throws RangeError `ERR_OUT_OF_RANGE`: other flags
 * @throws SystemError `EEXIST`, `ENOENT`, `EACCES`, `EMFILE`; `EINVAL`, `ENAMETOOLONG`: no such
 *   name
 */
export function shmOpen(name: string, flags: number, mode = 0o600): number {
  assertCString(name, 'name');
  assertFlags(
    flags,
    'flags',
    O_RDWR | O_CREAT | O_EXCL | O_TRUNC,
    'O_RDWR or O_RDONLY, and O_CREAT, O_EXCL and O_TRUNC',
  );
  assertInt(mode, 'mode', 0);
  return check(nativeMemory.shmOpen(name, flags, mode), 'shm_open');
}

/**
 * shm_unlink(3) — removes the name of a shared memory object. The memory lives on for those who
 * have it open or mapped.
 *
 * @throws SystemError `ENOENT`, `EACCES`
 */
export function shmUnlink(name: string): void {
  assertCString(name, 'name');
  check(nativeMemory.shmUnlink(name), 'shm_unlink');
}

/**
 * ftruncate(2) — sets the size of a file or shared memory object. New bytes are zeros, for which
 * there need not be room yet.
 *
 * @param length in bytes
 * @throws SystemError `EBADF`, `EFBIG`, `EINVAL`
 */
export function ftruncate(fd: number, length: number): void {
  assertDescriptor(fd);
  assertInteger(length, 'length', 0);
  check(nativeMemory.ftruncate(fd, length), 'ftruncate');
}
