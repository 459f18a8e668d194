// Values as bytes, for other processes. Structured clone as V8 writes it (clone.ts), with
// these differences: strings, numbers, bytes and small plain data take a short cut, errors stay
// whole (error-parts.ts), and objects that are more than data go as what their classes say
// (shareables.ts).
import { Buffer } from 'node:buffer'; // the global is a getter, which costs each message
import { inspect, types } from 'node:util';
import { HIDDEN } from '../common/authkey.js';
import { plainArray } from '../common/bytes.js';
import { DeliveredAttachments, OutgoingAttachments } from './attachments.js';
import {
  assertSendable,
  assertWhole,
  badMessage,
  holdsKey,
  isClear,
  mayHaveEmptied,
  refusal,
  restore,
  serialize,
} from './clone.js';
import { ErrorDissector, type ErrorParts, isError, fromParts } from './error-parts.js';
import { revoke, type Ticket } from './fd-broker.js';
import { closeFds } from './frames.js';
import { pack, type Packed, unpack } from './packing.js';
import { isPlainData } from './plain-data.js';
import { type FdTransport, isShareable } from './shareables.js';

type KindName =
  | 'clone'
  | 'string'
  | 'number'
  | 'buffer'
  | 'uint8Array'
  | 'error'
  | 'json'
  | 'shared';

/** The kinds of bytes that a value is encoded to. */
export const Kind: Record<KindName, number> = {
  clone: 0,
  string: 1,
  number: 2,
  buffer: 3,
  uint8Array: 4,
  error: 5,
  json: 6,
  shared: 7,
};

/** A value as bytes. */
export interface Encoded {
  /** The first byte of the message: what the others are. */
  kind: number;
  /** The other bytes; they may be those of the value itself. */
  body: Uint8Array;
  /** Descriptors that have to go beside the bytes. They stay open. */
  fds?: readonly number[];
  /** Descriptors that are kept for the receiver to fetch: see {@link discard}. */
  ticket?: Ticket | undefined;
  /** Functions that {@link discard} calls, too. */
  undos?: readonly (() => void)[];
}

/** To be called for what will not be sent. */
export function discard({ ticket, undos = [] }: Pick<Encoded, 'ticket' | 'undos'>): void {
  if (ticket !== undefined) revoke(ticket);
  for (const undo of undos) undo();
}

/** The JSON of plain data. */
function plainText(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  try {
    return isPlainData(value) ? JSON.stringify(value) : undefined;
  } catch {
    return undefined; // a getter; the clone says what is wrong
  }
}

function clone(value: unknown, transport: FdTransport): Encoded {
  if (isShareable(value)) return encodeShared(value, transport)!;
  let bytes: Buffer | undefined;
  let failure: unknown;
  try {
    bytes = serialize(value);
  } catch (error) {
    failure = error;
  }
  if (bytes !== undefined && !mayHaveEmptied(bytes)) return { kind: Kind.clone, body: bytes };
  const shared = encodeShared(value, transport);
  if (shared !== undefined) return shared;
  if (bytes === undefined) throw failure;
  assertWhole(value);
  return { kind: Kind.clone, body: bytes };
}

/** A value with objects in it that are more than data; undefined if there are none. */
function encodeShared(value: unknown, transport: FdTransport): Encoded | undefined {
  const attachments = new OutgoingAttachments(transport);
  try {
    const packed = pack(value, attachments);
    if (packed === undefined) return undefined;
    const { root, slots, parts } = packed;
    assertWhole([root, parts]);
    attachments.close();
    const { fds, ticket, undos } = attachments;
    const body = serialize([root, slots, parts, ticket]);
    return { kind: Kind.shared, body, fds, ticket, undos };
  } catch (error) {
    discard(attachments);
    throw error;
  }
}

function join({ kind, body }: Encoded): Buffer {
  return Buffer.concat([Uint8Array.of(kind), body]);
}

/** A value, as `inspect` shows it. The key of a process is not shown. */
function describe(value: unknown): string {
  try {
    return holdsKey(value) ? HIDDEN : inspect(value);
  } catch {
    return `[${typeof value}]`; // one that throws at whoever looks
  }
}

function encodeDescription(value: unknown): Buffer {
  return join(encode(describe(value).toWellFormed()));
}

/** The parts of an error, as data: nothing goes along with it. */
function encodeReason(value: unknown): Buffer {
  try {
    const encoded = encode(value, 'impossible');
    // V8 writes errors inside of it that are causes of each other, and cannot read them.
    if (encoded.kind === Kind.clone) restore(encoded.body as Buffer);
    return join(encoded);
  } catch {
    return encodeDescription(value);
  }
}

function encodeParts(parts: ErrorParts): Encoded {
  return { kind: Kind.error, body: serialize(parts) };
}

function encodeError(error: Error): Encoded {
  const dissector = new ErrorDissector({
    value: encodeReason,
    description: encodeDescription,
    error: (parts) => join(encodeParts(parts)),
  });
  return encodeParts(dissector.toParts(error));
}

const NUMBER_BYTES = 8;

function encodeNumber(value: number): Encoded {
  const body = Buffer.allocUnsafe(NUMBER_BYTES);
  body.writeDoubleLE(value);
  return { kind: Kind.number, body };
}

function encodeBytes(value: Uint8Array, transport: FdTransport): Encoded {
  assertSendable(value);
  const isBuffer = Object.getPrototypeOf(value) === Buffer.prototype;
  if (!isBuffer && isShareable(value)) return encodeShared(value, transport)!;
  const kind = Buffer.isBuffer(value) ? Kind.buffer : Kind.uint8Array;
  return { kind, body: plainArray(value) };
}

/**
 * Bytes that {@link decode} makes an equal value of.
 *
 * @param transport how descriptors can go along
 * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE`, `ERR_TRUEFORK_NOT_SHAREABLE`
 */
export function encode(value: unknown, transport: FdTransport = 'apart'): Encoded {
  if (typeof value === 'number') return encodeNumber(value);
  // UTF-8 has no lone surrogates.
  if (typeof value === 'string' && value.isWellFormed()) {
    return { kind: Kind.string, body: Buffer.from(value) };
  }
  try {
    if (types.isUint8Array(value)) return encodeBytes(value, transport);
    if (isError(value)) return encodeError(value);
    const text = plainText(value);
    if (text !== undefined) return { kind: Kind.json, body: Buffer.from(text) };
    return clone(value, transport);
  } catch (error) {
    throw refusal(error);
  }
}

function withCode(error: unknown): unknown {
  return isClear(error) ? error : badMessage(error);
}

/** @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE` */
function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    throw badMessage(cause);
  }
}

/** The parts of a value, which may be made up by a peer that means no good. */
function restoreError(body: Buffer): Error {
  const parts = restore(body) as ErrorParts;
  try {
    return fromParts(parts, (bytes) => decode(bytes));
  } catch (error) {
    throw withCode(error);
  }
}

type Parts = [Packed['root'], Packed['slots'], Packed['parts']];

function restoreShared(body: Buffer, fds: number[]): unknown {
  const delivered = new DeliveredAttachments(fds);
  try {
    const [root, slots, parts, ticket] = restore(body) as [...Parts, unknown];
    delivered.expect(ticket);
    return unpack({ root, slots, parts }, delivered);
  } catch (error) {
    throw withCode(error);
  } finally {
    delivered.drop();
  }
}

/**
 * The value that was encoded. Its bytes may be those of `message`.
 *
 * @param fds what has come beside it; those that are not needed are closed
 * @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE`, `ERR_TRUEFORK_HANDLE_LOST`; SystemError
 */
export function decode(message: Buffer, fds: number[] = []): unknown {
  return decodeBody(message[0], message.subarray(1), fds);
}

/** As {@link decode}, of a message that is in two parts. */
export function decodeBody(kind: number | undefined, body: Buffer, fds: number[] = []): unknown {
  if (kind === Kind.shared) return restoreShared(body, fds);
  closeFds(fds);
  switch (kind) {
    case Kind.clone:
      return restore(body);
    case Kind.string:
      return body.toString();
    case Kind.json:
      return parse(body);
    case Kind.number:
      if (body.length !== NUMBER_BYTES) throw badMessage();
      return body.readDoubleLE();
    case Kind.buffer:
      return body;
    case Kind.uint8Array:
      return new Uint8Array(body.buffer, body.byteOffset, body.length);
    case Kind.error:
      return restoreError(body);
    default:
      throw badMessage();
  }
}
