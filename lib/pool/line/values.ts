// Lists of values as bytes: one structured clone for all of them, for each clone has its price. A
// value that is whole only by itself, as an error, or would only be copied, as a big buffer, stands
// behind it.
import { types } from 'node:util';
import { badMessage, isClear } from '../../serialize/clone.js';
import { isError } from '../../serialize/error-parts.js';
import type { Ticket } from '../../serialize/fd-broker.js';
import { decode, discard, encode, type Encoded } from '../../serialize/serialize.js';

/** Bytes that are so many are not copied into the clone. */
const MIN_APART_BYTES = 2 ** 14;

// The first byte: one value, a list, or a list with others behind it.
const ONE = 0;
const LIST = 1;
const LIST_AND_OTHERS = 2;

/** Up to the clone, where others follow: the form, and the length of the clone. */
const HEAD_BYTES = 5;

/**
 * Where in the list a value belongs (-1: not inside of another list), and how many bytes it has.
 */
type Place = [index: number, inner: number, length: number];

/** A list as bytes, and what was kept for the receiver to fetch. */
export interface Packed {
  parts: Uint8Array[];
  tickets: Ticket[];
}

/** To be called for what will not be sent, or was not received. */
export function discardAll(tickets: readonly Ticket[]): void {
  for (const ticket of tickets) discard({ ticket });
}

function isApart(value: unknown): boolean {
  return (types.isUint8Array(value) && value.length >= MIN_APART_BYTES) || isError(value);
}

class Packer {
  readonly tickets: Ticket[] = [];
  readonly #places: Place[] = [];
  /** The values that go by themselves. */
  readonly #others: Uint8Array[] = [];

  pack(list: readonly unknown[], areLists: boolean): Uint8Array[] {
    const hasApart = (values: readonly unknown[]): boolean => values.some(isApart);
    if (areLists && list.some((inner) => hasApart(inner as unknown[]))) {
      return this.#packWithOthers(list.map((inner, i) => this.#separate(inner as unknown[], i)));
    }
    if (list.length === 1) return this.#packWhole(ONE, list[0]);
    if (areLists || !hasApart(list)) return this.#packWhole(LIST, list);
    return this.#packWithOthers(this.#separate(list));
  }

  #encode(value: unknown): Encoded {
    const encoded = encode(value);
    if (encoded.ticket !== undefined) this.tickets.push(encoded.ticket);
    return encoded;
  }

  #packWhole(form: number, value: unknown): Uint8Array[] {
    const { kind, body } = this.#encode(value);
    return [Uint8Array.of(form, kind), body];
  }

  /** Takes those out of a list that go by themselves. */
  #separate(list: readonly unknown[], outer = -1): unknown[] {
    return list.map((value, index) => {
      if (!isApart(value)) return value;
      const { kind, body } = this.#encode(value);
      this.#others.push(Uint8Array.of(kind), body);
      const length = body.length + 1;
      this.#places.push(outer < 0 ? [index, -1, length] : [outer, index, length]);
      return undefined;
    });
  }

  #packWithOthers(rest: unknown[]): Uint8Array[] {
    const { kind, body } = this.#encode([rest, this.#places]);
    const head = Buffer.alloc(HEAD_BYTES + 1);
    head[0] = LIST_AND_OTHERS;
    head.writeUInt32LE(body.length + 1, 1);
    head[HEAD_BYTES] = kind;
    return [head, body, ...this.#others];
  }
}

/**
 * Bytes that {@link unpack} makes an equal list of, in parts.
 *
 * @param areLists whether the values are themselves lists of what a user has given
 * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE`; nothing is kept for a receiver then
 */
export function pack(list: readonly unknown[], areLists: boolean): Packed {
  const packer = new Packer();
  try {
    return { parts: packer.pack(list, areLists), tickets: packer.tickets };
  } catch (error) {
    discardAll(packer.tickets);
    throw error;
  }
}

/**
 * Puts a value that has come into its place in `list`. The index may be made up, and is checked.
 */
function put(list: unknown, index: number, value: unknown): void {
  const isIndex = Number.isInteger(index) && index >= 0;
  if (!Array.isArray(list) || !isIndex || index >= list.length) throw badMessage();
  list[index] = value;
}

function unpackWithOthers(bytes: Buffer): unknown[] {
  let at = HEAD_BYTES + bytes.readUInt32LE(1);
  const [list, places] = decode(bytes.subarray(HEAD_BYTES, at)) as [unknown[], Place[]];
  for (const [index, inner, length] of places) {
    const value = decode(bytes.subarray(at, at + length));
    if (inner < 0) put(list, index, value);
    else put(Object.hasOwn(list, index) ? list[index] : undefined, inner, value);
    at += length;
  }
  return list;
}

function unpackForm(bytes: Buffer): unknown {
  switch (bytes[0]) {
    case ONE:
      return [decode(bytes.subarray(1))];
    case LIST:
      return decode(bytes.subarray(1));
    case LIST_AND_OTHERS:
      return unpackWithOthers(bytes);
    default:
      throw badMessage();
  }
}

/** @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE`, also if there are not `count` values */
export function unpack(bytes: Buffer, count: number): unknown[] {
  let list: unknown;
  try {
    list = unpackForm(bytes);
  } catch (error) {
    throw isClear(error) ? error : badMessage(error);
  }
  if (!Array.isArray(list) || list.length !== count) throw badMessage();
  return list;
}
