// A list of plain values in named shared memory, byte for byte as Python has it:
//
//   8 bytes                 the number of items, n; all integers are little-endian
//   8 (n + 1) bytes         where each item begins, from the first one on, and where the last ends
//   ...                     the items, each as long as a multiple of 8
//   8 n bytes               the format of each, as in Python's `struct`: q, d, xxxxxxx?, 16s
//   n bytes                 what Python makes of it: 0 itself, 1 str, 2 bytes, 3 None
import { inspect, types } from 'node:util';
import { plainArray } from '../common/bytes.js';
import { ProcessError } from '../common/errors.js';
import { inspectBy } from '../common/inspection.js';
import { type NoFunction, optionsReader, stringOption } from '../common/options.js';
import { checkReceivers } from '../common/receivers.js';
import {
  assertBigInt,
  assertInteger,
  assertIterable,
  assertType,
  outOfRange,
} from '../common/validate.js';
import { makeShareable } from '../serialize/shareables.js';
import { SharedMemory } from './shared-memory.js';

/** An item of a {@link ShareableList}. */
export type Shareable = null | boolean | number | bigint | string | Uint8Array;

const WORD = 8;
const Kind = { itself: 0, string: 1, bytes: 2, none: 3 } as const;
const INTEGER = 'q';
const FLOAT = 'd';
const BOOLEAN = 'xxxxxxx?';
const NONE = 'xxxxxx?x';
/** The format of bytes has at most eight letters. */
const MAX_BYTES_LENGTH = 9_999_999;

/** An item as bytes. */
interface Item {
  kind: number;
  /** Of strings and bytes it follows from the room that there is. */
  format?: string;
  bytes: Uint8Array;
}

function encodeBytes(value: string | Uint8Array): Item {
  const isString = typeof value === 'string';
  const isWhole = !isString || value.isWellFormed();
  assertType(isWhole, 'value', 'a string without lone surrogates', value);
  const bytes = isString ? Buffer.from(value) : plainArray(value);
  // Python takes them for padding.
  assertType(bytes.at(-1) !== 0, 'value', 'without NUL at its end', value);
  return { kind: isString ? Kind.string : Kind.bytes, bytes };
}

function encodeNumber(value: number | bigint, isFloat: boolean): Item {
  const bytes = Buffer.alloc(WORD);
  if (
    typeof value === 'number' &&
    (isFloat || !Number.isSafeInteger(value) || Object.is(value, -0))
  ) {
    bytes.writeDoubleLE(value);
    return { kind: Kind.itself, format: FLOAT, bytes };
  }
  const integer = BigInt(value);
  assertBigInt(integer, 'value', -(2n ** 63n), 2n ** 63n - 1n);
  bytes.writeBigInt64LE(integer);
  return { kind: Kind.itself, format: INTEGER, bytes };
}

/** @param isFloat whether an integer is to be a float, because what was there is one */
function encode(value: Shareable, isFloat = false): Item {
  if (typeof value === 'string' || types.isUint8Array(value)) return encodeBytes(value);
  if (typeof value === 'number' || typeof value === 'bigint') return encodeNumber(value, isFloat);
  if (value === null) return { kind: Kind.none, format: NONE, bytes: Buffer.alloc(WORD) };
  const expected = 'null, a boolean, a number, a bigint, a string, or a Uint8Array';
  assertType(typeof value === 'boolean', 'value', expected, value);
  const bytes = Buffer.alloc(WORD);
  bytes[WORD - 1] = Number(value);
  return { kind: Kind.itself, format: BOOLEAN, bytes };
}

/** How much room an item gets: always some more than it has bytes, as in Python. */
function roomFor({ format, bytes }: Item): number {
  const room = format === undefined ? WORD * (Math.floor(bytes.length / WORD) + 1) : WORD;
  if (room > MAX_BYTES_LENGTH)
    throw outOfRange('value', `less than ${MAX_BYTES_LENGTH} bytes long`, bytes);
  return room;
}

function withoutPadding(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, end);
}

function decodeInteger(bytes: Buffer): number | bigint {
  const integer = bytes.readBigInt64LE();
  const number = Number(integer);
  return Number.isSafeInteger(number) ? number : integer;
}

function noList(): ProcessError {
  return new ProcessError('ERR_TRUEFORK_BAD_MESSAGE', 'there is no ShareableList in that memory');
}

function decode(kind: number, format: string, bytes: Buffer): Shareable {
  if (kind === Kind.none) return null;
  if (format === INTEGER) return decodeInteger(bytes);
  if (format === FLOAT) return bytes.readDoubleLE();
  if (format === BOOLEAN) return bytes[WORD - 1] !== 0;
  if (!/^\d+s$/.test(format)) throw noList();
  const content = withoutPadding(bytes.subarray(0, Number.parseInt(format, 10)));
  return kind === Kind.string ? content.toString() : Buffer.from(content);
}

/** Integers as they are read. */
function canonical(value: Shareable): Shareable {
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function isSame(item: Shareable, value: Shareable): boolean {
  if (!(types.isUint8Array(item) && types.isUint8Array(value))) return item === value;
  return Buffer.compare(item, plainArray(value)) === 0;
}

/** How large the memory is, for items that take `room` bytes together. */
function sizeFor(count: number, room: number): number {
  return WORD * (count + 2) + room + WORD * count + count;
}

/** Makes the memory, and puts the items there. */
function write(items: Item[], name: string | undefined): SharedMemory {
  const rooms = items.map(roomFor);
  const all = rooms.reduce((sum, room) => sum + room, 0);
  const shm = new SharedMemory({ name, create: true, size: sizeFor(items.length, all) });
  const { buf } = shm;
  buf.writeBigInt64LE(BigInt(items.length));
  const data = WORD * (items.length + 2);
  const formats = data + all;
  let offset = 0;
  items.forEach(({ kind, format, bytes }, i) => {
    buf.set(bytes, data + offset);
    offset += rooms[i]!;
    buf.writeBigInt64LE(BigInt(offset), WORD * (i + 2));
    buf.write(format ?? `${rooms[i]}s`, formats + WORD * i);
    buf[formats + WORD * items.length + i] = kind;
  });
  return shm;
}

/** Where the items begin, and where the last ends. */
function readOffsets(buf: Buffer): number[] {
  if (buf.length < 2 * WORD) throw noList();
  const count = Number(buf.readBigInt64LE());
  if (count < 0 || sizeFor(count, 0) > buf.length) throw noList();
  const offsets = Array.from({ length: count + 1 }, (_, i) =>
    Number(buf.readBigInt64LE(WORD * (i + 1))),
  );
  const isAscending = offsets.every((offset, i) => i === 0 || offset >= offsets[i - 1]! + WORD);
  if (offsets[0] !== 0 || !isAscending) throw noList();
  if (sizeFor(count, offsets[count]!) > buf.length) throw noList();
  return offsets;
}

/** Options of a {@link ShareableList}, besides its items. */
export interface ShareableListOptions {
  /** The name of its memory: to be made if there are items, else to be attached. */
  name?: string | undefined;
}

const readOptions = optionsReader<ShareableListOptions>('a ShareableList', { name: stringOption });

/**
 * A list of fixed length of `null`, booleans, numbers, bigints, strings and bytes, in {@link
 * SharedMemory}: a Python program can be the other one. A new item may be of another type; strings
 * and bytes must fit into the room that the first one got, its bytes rounded up to more than these,
 * to a multiple of 8.
 *
 * Integers are Python's `int` as long as they are safe, other numbers `float`; a float stays one
 * when an integer is set. Beyond the safe ones integers are bigints.
 *
 * There is no lock: to set an item while another process reads it gives either, or nonsense.
 *
 * @example
 * ```ts
 * const list = new ShareableList(['ready', 0, 0.5]);
 * list.set(1, list.get(1) + 1);
 * list.shm.unlink();
 * ```
 */
export class ShareableList {
  readonly #shm: SharedMemory;
  readonly #offsets: number[];

  /**
   * @param sequence the items. Without it, and with a `name`: attaches to what is there
   * @throws TypeError `ERR_INVALID_ARG_TYPE`: no such items; RangeError `ERR_OUT_OF_RANGE`:
   *   integers of more than 64 bits, strings of more than 10 MB
   * @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE`: what is there is no list
   * @throws SystemError as {@link SharedMemory}
   */
  constructor(
    sequence?: Iterable<Shareable> | null,
    options: ShareableListOptions & NoFunction = {},
  ) {
    const { name } = readOptions(options);
    if (sequence !== undefined && sequence !== null) assertIterable(sequence, 'sequence');
    const isAttached = (sequence ?? undefined) === undefined && name !== undefined;
    this.#shm = isAttached
      ? new SharedMemory({ name })
      : write(
          Array.from(sequence ?? [], (item) => encode(item)),
          name,
        );
    try {
      this.#offsets = readOffsets(this.#shm.buf);
    } catch (error) {
      this.#shm.close();
      throw error;
    }
  }

  /** The memory, to close and to unlink. */
  get shm(): SharedMemory {
    return this.#shm;
  }

  /** How many items there are. */
  get length(): number {
    return this.#offsets.length - 1;
  }

  /** The formats of all items, as in Python's `struct`. */
  get format(): string {
    return Array.from({ length: this.length }, (_, i) => this.#formatOf(i)).join('');
  }

  /**
   * The item. Bytes are a copy.
   *
   * @param index negative: from the end
   * @throws RangeError `ERR_OUT_OF_RANGE`; ProcessError `ERR_TRUEFORK_CLOSED`
   */
  get(index: number): Shareable {
    const i = this.#place(index);
    return decode(this.#shm.buf[this.#kinds + i]!, this.#formatOf(i), this.#room(i));
  }

  /**
   * Sets an item, which may be of another type.
   *
   * @param index negative: from the end
   * @throws RangeError `ERR_OUT_OF_RANGE`: no such item, or more bytes than there is room for
   * @throws TypeError `ERR_INVALID_ARG_TYPE`
   */
  set(index: number, value: Shareable): void {
    const i = this.#place(index);
    const current = this.#formatOf(i);
    const room = this.#room(i);
    const { kind, format, bytes } = encode(value, current === FLOAT);
    if (bytes.length > room.length) {
      const limit = `at most ${room.length} bytes long (bytes/str item exceeds available storage)`;
      throw outOfRange('value', limit, value);
    }
    const { buf } = this.#shm;
    buf.fill(0, this.#formats + WORD * i, this.#formats + WORD * (i + 1));
    buf.write(format ?? `${room.length}s`, this.#formats + WORD * i);
    buf[this.#kinds + i] = kind;
    room.fill(0).set(bytes);
  }

  /** How many items are equal to `value`; bytes are if they have the same bytes. */
  count(value: Shareable): number {
    const wanted = canonical(value);
    return [...this].filter((item) => isSame(item, wanted)).length;
  }

  /**
   * Where the first item is that is equal to `value`. @throws RangeError `ERR_OUT_OF_RANGE` if none
   * is
   */
  index(value: Shareable): number {
    const wanted = canonical(value);
    const index = [...this].findIndex((item) => isSame(item, wanted));
    if (index < 0) throw outOfRange('value', 'in this list', value);
    return index;
  }

  *[Symbol.iterator](): Generator<Shareable, undefined> {
    for (let i = 0; i < this.length; i++) yield this.get(i);
    return undefined;
  }

  get #data(): number {
    return WORD * (this.length + 2);
  }

  get #formats(): number {
    return this.#data + this.#offsets[this.length]!;
  }

  get #kinds(): number {
    return this.#formats + WORD * this.length;
  }

  #place(index: number): number {
    assertInteger(index, 'index', -this.length, this.length - 1);
    return index < 0 ? index + this.length : index;
  }

  #room(i: number): Buffer {
    return this.#shm.buf.subarray(
      this.#data + this.#offsets[i]!,
      this.#data + this.#offsets[i + 1]!,
    );
  }

  #formatOf(i: number): string {
    if (this.#shm.buf.length === 0) {
      throw new ProcessError('ERR_TRUEFORK_CLOSED', 'the memory of the list is closed');
    }
    const start = this.#formats + WORD * i;
    return withoutPadding(this.#shm.buf.subarray(start, start + WORD)).toString();
  }

  static {
    checkReceivers(this, (object) => #shm in object);
    inspectBy(this, describe);
    function describe(this: ShareableList): string {
      return `ShareableList(${inspect([...this])}, name=${inspect(this.#shm.name)})`;
    }
    makeShareable<ShareableList, string>('ShareableList', ShareableList, {
      toParts: ({ shm }) => shm.name,
      fromParts: (name) => new ShareableList(undefined, { name }),
    });
  }
}
