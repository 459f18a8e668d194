// Values in a queue that processes share: records of native/queue/ring.h. Short values go through
// memory that native code and this file have in common, without a Buffer.
import { Buffer } from 'node:buffer'; // the global is a getter, which costs each message
import { constants } from 'node:os';
import { systemError, type SystemError } from '../common/errors.js';
import { assertType } from '../common/validate.js';
import { DONE } from '../futex/outcome.js';
import { assertRobust } from '../futex/robust-list.js';
import { type Ring, nativeQueue } from '../native/queue.js';
import { decodeBody, encode, type Encoded, Kind } from '../serialize/serialize.js';
import { Untaken } from './untaken.js';

/** The result of a take() that found nothing. */
export const NOTHING: unique symbol = Symbol('nothing');

/** The result of a take() that cannot tell in time: a waiter thread has to wait. */
export const LATER: unique symbol = Symbol('later');

/** The timeout of a thread that has other things to do: a moment, whatever other processes do. */
export const AT_ONCE = -1;

/**
 * How long others may take to copy, although there is no time to wait, in milliseconds: kCopyMs of
 * native/queue/ring.h.
 */
export const COPY_MS = 100;

/** How a put() ends that cannot tell in time: kBusy of native/queue/ring.h. */
export const BUSY = 6;
/** The return value of the native take() in that case. */
const TAKE_LATER = 2;

/** How take() ends where there is no memory for the record: kNoMemory of native/queue/ring.h. */
export const NO_MEMORY = 4;

/** Address space, of which what is used takes memory. */
const USUAL_SIZE_BYTES = 2 ** 30;
/** Where there is less than that, because somebody limits it: that much at least. */
const MIN_USUAL_SIZE_BYTES = 2 ** 20;

/** The size of the head of a record (length, kind and others), in bytes. */
const HEAD_BYTES = 8;
const KIND_AT = 4;

const memory = nativeQueue.ringScratch();
const scratch = Buffer.from(memory);
const numbers = new Float64Array(memory);
/** UTF-8 has up to three bytes for each unit of a string. */
const MAX_STRING_LENGTH = Math.floor((scratch.length - HEAD_BYTES) / 3);

/** Writes a value that is short and of a simple kind into the scratch. @returns its size, or -1 */
function writeScratch(value: unknown): number {
  if (typeof value === 'number') {
    numbers[HEAD_BYTES / 8] = value;
    return 8;
  }
  if (typeof value === 'string' && value.length <= MAX_STRING_LENGTH && value.isWellFormed()) {
    return scratch.write(value, HEAD_BYTES);
  }
  return -1;
}

function readScratch(size: number): unknown {
  const kind = scratch[KIND_AT];
  if (kind === Kind.string) return scratch.toString('utf8', HEAD_BYTES, size);
  if (kind === Kind.number) return numbers[HEAD_BYTES / 8];
  if (kind === Kind.json) return JSON.parse(scratch.toString('utf8', HEAD_BYTES, size));
  if (kind === Kind.buffer) return Buffer.from(scratch.subarray(HEAD_BYTES, size));
  // Decoded values may be views of these bytes.
  return decodeBody(kind, Buffer.from(memory.slice(HEAD_BYTES, size)));
}

/** A record that was taken into memory of its own. */
export interface Taken {
  kind: number;
  body: Buffer;
}

export function open(record: Buffer): Taken {
  return { kind: record[KIND_AT]!, body: record.subarray(HEAD_BYTES) };
}

export function read(record: Buffer): unknown {
  const { kind, body } = open(record);
  return decodeBody(kind, body);
}

export function noMemory(): SystemError {
  return systemError(-constants.errno.ENOMEM, 'malloc');
}

function mapUsualSize(ring: Ring, most: number): number {
  for (let size = USUAL_SIZE_BYTES; ; size /= 2) {
    const result = ring.map(size, most);
    if (result !== -constants.errno.ENOMEM || size <= MIN_USUAL_SIZE_BYTES) return result;
  }
}

/**
 * Maps memory for a ring.
 *
 * @param size in bytes, a power of two
 * @param most how many records there can be; 0: as many as there is room for
 * @throws SystemError `ENOMEM`
 */
function mapRing(size: number | undefined, most: number): Ring {
  const ring = new nativeQueue.Ring();
  const result = size === undefined ? mapUsualSize(ring, most) : ring.map(size, most);
  if (result < 0) throw systemError(result, 'mmap');
  return ring;
}

/**
 * The ring for a queue: the one that its constructor was given, or one of its own.
 *
 * @param given what another process has sent; or from a user, who gives an argument too many
 * @throws TypeError `ERR_INVALID_ARG_TYPE`; what {@link mapRing} throws
 */
export function ownRing(given: Ring | undefined, size: number | undefined, most: number): Ring {
  if (given === undefined) return mapRing(size, most);
  const isRing = given instanceof nativeQueue.Ring;
  assertType(isRing, 'ring', 'left out: it is for internal use', given);
  return given;
}

/** A value that was not put. */
export interface Unput extends Encoded {
  /** There may be room: another process was putting. */
  isBusy: boolean;
}

export class SharedRing {
  readonly native: Ring;
  readonly #untaken: Untaken;

  constructor(ring: Ring) {
    assertRobust();
    this.native = ring;
    this.#untaken = new Untaken(() => ring.descriptor());
  }

  /**
   * Encodes a value to be put; discard it if it is not put. @throws ProcessError
   * `ERR_TRUEFORK_NOT_CLONABLE`
   */
  encode(value: unknown): Encoded {
    const item = encode(value);
    if (item.ticket === undefined) return item;
    this.#untaken.add(item.ticket);
    return { ...item, undos: [...(item.undos ?? []), () => this.#untaken.forgetIfEmpty()] };
  }

  /**
   * Blocks the thread.
   *
   * @returns undefined if the value was put before the timeout; if not, what to put
   * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE`
   */
  put(value: unknown, timeout: number): Unput | undefined {
    const length = writeScratch(value);
    const kind = typeof value === 'number' ? Kind.number : Kind.string;
    const item = length < 0 ? this.encode(value) : undefined;
    const outcome =
      item === undefined
        ? this.native.putScratch(kind, length, timeout)
        : this.native.put(item.kind, item.body, timeout);
    if (outcome === DONE) return undefined;
    return { ...(item ?? encode(value)), isBusy: outcome === BUSY };
  }

  /** As {@link put}; if `isLate` the value is not put, either. */
  putUnless(isLate: boolean, value: unknown, timeout: number): Unput | undefined {
    return isLate ? { ...this.encode(value), isBusy: false } : this.put(value, timeout);
  }

  putItem({ kind, body }: Encoded, timeout: number): boolean {
    return this.native.put(kind, body, timeout) === DONE;
  }

  /**
   * Blocks the thread.
   *
   * @returns NOTHING after the timeout; or LATER
   * @throws SystemError `ENOMEM`
   */
  take(timeout: number): unknown {
    const size = this.native.take(timeout);
    if (size >= HEAD_BYTES) return readScratch(size);
    if (size === 0) return NOTHING;
    if (size === TAKE_LATER) return LATER;
    if (size < 0) throw systemError(size, 'malloc');
    return read(this.native.takenRecord());
  }
}
