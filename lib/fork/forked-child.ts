// The functions of the addon for a child that does not go on with its parent's work.
import { constants } from 'node:os';
import { check } from '../common/errors.js';
import { process } from '../common/originals.js';
import { precompileForChildren } from '../common/precompiled.js';
import { nativeFork } from '../native/fork.js';
import { nativeIo } from '../native/io.js';
import { nativePosix } from '../native/posix.js';
import { waitUntilReady, WRITABLE } from '../posix/poller.js';

const { EAGAIN } = constants.errno;

/** Rests the inherited handles of the event loop, but for those on the descriptors in `keep`. */
export function restHandles(keep: Int32Array): void {
  check(nativeFork.restHandles(keep), 'dup2');
}

/** The sockets, servers and so on of the event loop, also those that do not keep it alive. */
export function handleOwners(): object[] {
  const { _getActiveHandles } = process as unknown as { _getActiveHandles(): object[] };
  return nativeFork.withAllReferenced(_getActiveHandles);
}

/** Gives signals without listeners the actions that they have where nothing runs but the child. */
export function resetSignals(): void {
  nativeFork.resetSignals();
}

/**
 * Descriptors that the thread pool has for files opened at `path` to write to them, as yet unknown
 * to anybody.
 */
export function finishedOpens(path: string): Int32Array {
  return nativeFork.finishedOpens(path);
}

/** Whether the event loop has a handle on `fd`. */
export function hasHandle(fd: number): boolean {
  return nativeFork.hasHandle(fd);
}

/**
 * Drops the JavaScript that is running, to call `begin` from the event loop.
 *
 * @param sparedCalls how many calls from Node into JavaScript to let through until then
 * @param collects whether to collect garbage first
 */
export function abandonStack(
  begin: () => void,
  keep: Int32Array,
  sparedCalls: number,
  collects: boolean,
): never {
  nativeFork.abandonStack(begin, keep, sparedCalls, collects);
  // V8 looks for a termination at the end of each turn.
  for (;;);
}

/** Makes the kernel send `signal` to this process when its parent dies. Only on Linux. */
export function setParentDeathSignal(signal: number): void {
  if (process.platform === 'linux') check(nativePosix.setParentDeathSignal(signal), 'prctl');
}

/** 0 if there is none (any more). */
export function parentDeathSignal(): number {
  return check(nativePosix.parentDeathSignal(), 'prctl');
}

/** Writes all of `bytes`, blocking the thread as long as that takes. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    const written = nativeIo.write(fd, bytes, done, bytes.length - done);
    if (written === -EAGAIN) waitUntilReady(fd, WRITABLE, Infinity);
    else done += check(written, 'write');
  }
}

precompileForChildren(abandonStack, handleOwners, resetSignals, restHandles, writeFully);
