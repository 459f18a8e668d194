// Short messages, with one call each.
import { constants } from 'node:os';
import { check, systemError } from '../common/errors.js';
import type { SpinBudget } from '../common/spin-budget.js';
import { nativeIo } from '../native/io.js';
import { LOST, MAX_DESCRIPTORS } from '../posix/sockets.js';
import type { Frame } from '../serialize/frames.js';

const { EAGAIN, EMFILE } = constants.errno;
const HEADER_BYTES = 4;
/** The largest message that is received with one call, in bytes; longer ones come in parts. */
const MAX_SHORT_BYTES = 2 ** 14;

const scratch = Buffer.allocUnsafeSlow(HEADER_BYTES + MAX_SHORT_BYTES);
// Places in what the native function says.
const READ = 0;
const WAS_THERE = 1;
const COUNT = 2;
const FDS = 3;
const out = new Int32Array(FDS + MAX_DESCRIPTORS);

/** Nothing has come. */
export const NOTHING: unique symbol = Symbol('nothing');

/**
 * The bytes that were read are no short message: the beginning of another one, or nothing before
 * the end.
 */
export interface Beginning {
  readonly beginning: Frame;
}

/** The length of a message on the wire. */
export function sizeOf(kind: number | undefined, body: Uint8Array): number {
  return HEADER_BYTES + (kind === undefined ? 0 : 1) + body.length;
}

/**
 * Writes a message to a descriptor that does not block. It must be shorter than 2 GiB.
 *
 * @returns how many bytes of it are out
 */
export function sendShort(fd: number, kind: number | undefined, body: Uint8Array): number {
  const count = nativeIo.sendFrame(fd, kind ?? -1, body);
  return count === -EAGAIN ? 0 : check(count, 'write');
}

/**
 * Reads a message from a descriptor that does not block.
 *
 * @param takesFds whether it is a Unix socket
 * @param budget undefined: do not look twice
 * @param timeout in milliseconds: blocks the thread for as long
 */
export function receiveShort(
  fd: number,
  takesFds: boolean,
  maxLength: number,
  budget: SpinBudget | undefined,
  timeout: number,
): Frame | Beginning | typeof NOTHING {
  const most = Math.min(maxLength, MAX_SHORT_BYTES);
  const spin = budget?.microseconds ?? 0;
  const wait = timeout === Infinity ? -1 : timeout;
  const length = nativeIo.receiveFrame(fd, takesFds, scratch, out, most, spin, wait);
  if (spin > 0) budget!.learn(out[WAS_THERE] === 1);
  if (length >= 0) return { bytes: copy(HEADER_BYTES, length), fds: [] };
  if (length === -EAGAIN) return NOTHING;
  const count = out[COUNT]!;
  const fds = count < 0 ? [LOST] : [...out.subarray(FDS, FDS + count)];
  if (count < 0 && count !== -EMFILE) throw systemError(count, 'recvmsg');
  return { beginning: { bytes: copy(0, out[READ]!), fds } };
}

function copy(start: number, length: number): Buffer {
  // Of its own: what is decoded may be a view of it.
  const bytes = Buffer.allocUnsafeSlow(length);
  scratch.copy(bytes, 0, start, start + length);
  return bytes;
}
