// Values in a queue that processes share: records of native/ring.h. What is short goes
// through memory that native code and this file have in common, without a Buffer.
import { constants } from 'node:os';
import { systemError, type SystemError } from '../errors.js';
import { native, type Ring } from '../posix/native.js';
import { decodeBody, encode, type Encoded, Kind } from '../serialize.js';
import { DONE } from '../synchronize/outcome.js';

/** What a take() gives that found nothing. */
export const NOTHING: unique symbol = Symbol('nothing');

/** How take() ends where there is no memory for the record: kNoMemory of native/ring.h. */
export const NO_MEMORY = 4;

/** Address space, of which what is used takes memory. */
const USUAL_SIZE = 2 ** 30;
/** Where there is less than that, because somebody limits it: that much at least. */
const LEAST_USUAL_SIZE = 2 ** 20;

/** What is in front of a record: the length, the kind, and others. In bytes. */
const HEAD = 8;
const KIND = 4;

const memory = native.ringScratch();
const scratch = Buffer.from(memory);
const numbers = new Float64Array(memory);
/** UTF-8 has up to three bytes for each unit of a string. */
const LONGEST_STRING = Math.floor((scratch.length - HEAD) / 3);

/** Writes a value that is short and of a simple kind into the scratch. @returns its size, or -1 */
function writeScratch(value: unknown): number {
  if (typeof value === 'number') {
    numbers[HEAD / 8] = value;
    return 8;
  }
  if (typeof value === 'string' && value.length <= LONGEST_STRING && value.isWellFormed()) {
    return scratch.write(value, HEAD);
  }
  return -1;
}

function readScratch(size: number): unknown {
  const kind = scratch[KIND];
  if (kind === Kind.string) return scratch.toString('utf8', HEAD, size);
  if (kind === Kind.number) return numbers[HEAD / 8];
  if (kind === Kind.json) return JSON.parse(scratch.toString('utf8', HEAD, size));
  if (kind === Kind.buffer) return Buffer.from(scratch.subarray(HEAD, size));
  // What is decoded may be views of these bytes.
  return decodeBody(kind, Buffer.from(memory.slice(HEAD, size)));
}

/** A record that was taken into memory of its own. */
export interface Taken {
  kind: number;
  body: Buffer;
}

export function open(record: Buffer): Taken {
  return { kind: record[KIND]!, body: record.subarray(HEAD) };
}

export function read(record: Buffer): unknown {
  const { kind, body } = open(record);
  return decodeBody(kind, body);
}

export function noMemory(): SystemError {
  return systemError(-constants.errno.ENOMEM, 'malloc');
}

function mapUsualSize(ring: Ring, most: number): number {
  for (let size = USUAL_SIZE; ; size /= 2) {
    const result = ring.map(size, most);
    if (result !== -constants.errno.ENOMEM || size <= LEAST_USUAL_SIZE) return result;
  }
}

/** What the next SharedRing is over, instead of memory of its own. */
let received: Ring | undefined;

/** Makes a queue over a ring that is there. */
export function makeOver<T>(ring: Ring, make: () => T): T {
  received = ring;
  try {
    return make();
  } finally {
    received = undefined;
  }
}

function map(size: number | undefined, most: number): Ring {
  if (received !== undefined) return received;
  const ring = new native.Ring();
  const result = size === undefined ? mapUsualSize(ring, most) : ring.map(size, most);
  if (result < 0) throw systemError(result, 'mmap');
  return ring;
}

export class SharedRing {
  readonly native: Ring;

  /**
   * @param size in bytes, a power of two
   * @param most how many records there can be; 0: as many as there is room for
   * @throws SystemError `ENOMEM`
   */
  constructor(size: number | undefined, most: number) {
    this.native = map(size, most);
  }

  /**
   * Blocks the thread.
   *
   * @returns undefined if the value was put before the timeout; if not, what to put
   * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE`
   */
  put(value: unknown, timeout: number): Encoded | undefined {
    const length = writeScratch(value);
    if (length < 0) {
      const item = encode(value);
      return this.putItem(item, timeout) ? undefined : item;
    }
    const kind = typeof value === 'number' ? Kind.number : Kind.string;
    return this.native.putScratch(kind, length, timeout) === DONE ? undefined : encode(value);
  }

  /** As {@link put}, without waiting; if `isLate` the value is not put, either. */
  putUnless(isLate: boolean, value: unknown): Encoded | undefined {
    return isLate ? encode(value) : this.put(value, 0);
  }

  putItem({ kind, body }: Encoded, timeout: number): boolean {
    return this.native.put(kind, body, timeout) === DONE;
  }

  /** Blocks the thread. @returns NOTHING after the timeout. @throws SystemError `ENOMEM` */
  take(timeout: number): unknown {
    const size = this.native.take(timeout);
    if (size >= HEAD) return readScratch(size);
    if (size === 0) return NOTHING;
    if (size < 0) throw systemError(size, 'malloc');
    return read(this.native.takenRecord());
  }
}
