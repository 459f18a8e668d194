// Lists of values as bytes: one structured clone for all of them, for each clone has its price.
// What is whole only by itself, as an error, and what would only be copied, as a big buffer,
// stands behind it.
import { types } from 'node:util';
import { isError } from '../error-parts.js';
import { decode, encode } from '../serialize.js';

/** Bytes that are so many are not copied into the clone. */
const BIG = 2 ** 14;

// The first byte: one value, a list, or a list with others behind it.
const ONE = 0;
const LIST = 1;
const LIST_AND_OTHERS = 2;

/** Up to the clone, where others follow: the form, and the length of the clone. */
const HEAD = 5;

/** Where in the list a value belongs (-1: not inside of another list), and how many bytes it has. */
type Place = [index: number, inner: number, length: number];

function isApart(value: unknown): boolean {
  return (types.isUint8Array(value) && value.length >= BIG) || isError(value);
}

function packOne(value: unknown): Uint8Array[] {
  const { kind, body } = encode(value);
  return [Uint8Array.of(ONE, kind), body];
}

function packList(list: readonly unknown[]): Uint8Array[] {
  const { kind, body } = encode(list);
  return [Uint8Array.of(LIST, kind), body];
}

/** Takes those out of a list that go by themselves. */
class Separator {
  readonly places: Place[] = [];
  readonly parts: Uint8Array[] = [];

  separate(list: readonly unknown[], outer = -1): unknown[] {
    return list.map((value, index) => {
      if (!isApart(value)) return value;
      const { kind, body } = encode(value);
      this.parts.push(Uint8Array.of(kind), body);
      this.places.push(outer < 0 ? [index, -1, body.length + 1] : [outer, index, body.length + 1]);
      return undefined;
    });
  }
}

function packWithOthers(list: readonly unknown[], areLists: boolean): Uint8Array[] {
  const separator = new Separator();
  const rest = areLists
    ? list.map((inner, index) => separator.separate(inner as unknown[], index))
    : separator.separate(list);
  const { kind, body } = encode([rest, separator.places]);
  const head = Buffer.alloc(HEAD + 1);
  head[0] = LIST_AND_OTHERS;
  head.writeUInt32LE(body.length + 1, 1);
  head[HEAD] = kind;
  return [head, body, ...separator.parts];
}

/**
 * Bytes that {@link unpack} makes an equal list of, in parts.
 *
 * @param areLists whether the values are themselves lists of what a user has given
 * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE`
 */
export function pack(list: readonly unknown[], areLists: boolean): Uint8Array[] {
  const hasApart = (values: readonly unknown[]): boolean => values.some(isApart);
  if (areLists && list.some((inner) => hasApart(inner as unknown[]))) {
    return packWithOthers(list, true);
  }
  if (list.length === 1) return packOne(list[0]);
  return !areLists && hasApart(list) ? packWithOthers(list, false) : packList(list);
}

function unpackWithOthers(bytes: Buffer): unknown[] {
  let at = HEAD + bytes.readUInt32LE(1);
  const [list, places] = decode(bytes.subarray(HEAD, at)) as [unknown[], Place[]];
  for (const [index, inner, length] of places) {
    const value = decode(bytes.subarray(at, at + length));
    if (inner < 0) list[index] = value;
    else (list[index] as unknown[])[inner] = value;
    at += length;
  }
  return list;
}

/** @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE` */
export function unpack(bytes: Buffer): unknown[] {
  switch (bytes[0]) {
    case ONE:
      return [decode(bytes.subarray(1))];
    case LIST:
      return decode(bytes.subarray(1)) as unknown[];
    default:
      return unpackWithOthers(bytes);
  }
}
