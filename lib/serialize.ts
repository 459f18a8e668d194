// Values as bytes, for other processes. Structured clone as V8 writes it, with
// four differences: strings, numbers and bytes take a short cut, errors stay
// whole, shared memory goes by its name, and what a clone would silently make `{}` is
// refused.
import { inspect, types } from 'node:util';
import { DefaultSerializer, deserialize } from 'node:v8';
import { isAuthkey } from './authkey.js';
import {
  AbortError,
  AuthenticationError,
  BufferTooShort,
  EOFError,
  ProcessError,
  type SystemError,
  TimeoutError,
  WorkerLostError,
} from './errors.js';
import { closeFds } from './frames.js';
import { type Carriage, DeliveredLuggage, OutgoingLuggage } from './luggage.js';
import { pack, type Packed, unpack } from './packing.js';
import { ShareableList } from './shareable-list.js';
import { isShareable } from './shareables.js';
import { revoke, type Ticket } from './sharer.js';
import { SharedMemory } from './shared-memory.js';

const Kind = {
  clone: 0,
  string: 1,
  number: 2,
  buffer: 3,
  uint8Array: 4,
  error: 5,
  sharedMemory: 6,
  shareableList: 7,
  shared: 8,
} as const;

export type { Carriage };

/** A value as bytes. */
export interface Encoded {
  /** The first byte of the message: what the others are. */
  kind: number;
  /** The other bytes; they may be those of the value itself. */
  body: Uint8Array;
  /** What has to go beside the bytes. They stay open. */
  fds?: readonly number[];
  /** What was kept for the receiver to fetch: see {@link discard}. */
  ticket?: Ticket | undefined;
}

/** To be called for what will not be sent. */
export function discard({ ticket }: Pick<Encoded, 'ticket'>): void {
  if (ticket !== undefined) revoke(ticket);
}

function notClonable(message: string, cause?: unknown): ProcessError {
  return new ProcessError('ERR_TRUEFORK_NOT_CLONABLE', message, { cause });
}

/** Whether V8 writes such an object in a form of its own, and not by its properties. */
function hasFormOfItsOwn(value: object): boolean {
  return (
    Array.isArray(value) ||
    ArrayBuffer.isView(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isBoxedPrimitive(value) ||
    types.isDate(value) ||
    types.isMap(value) ||
    types.isNativeError(value) ||
    types.isRegExp(value) ||
    types.isSet(value)
  );
}

/**
 * Whether this is an instance of a class of which a clone would keep nothing: one
 * whose state is private, as that of URL, Blob, AbortSignal, Connection.
 */
function wouldBeEmpty(value: object): boolean {
  if (hasFormOfItsOwn(value) || Object.keys(value).length > 0) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype !== null && Object.getPrototypeOf(prototype) !== null;
}

function* childrenOf(value: object): Iterable<unknown> {
  if (types.isMap(value)) {
    for (const entry of value) yield* entry;
  } else if (types.isSet(value)) {
    yield* value;
  } else if (!ArrayBuffer.isView(value)) {
    yield* Object.values(value);
  }
}

/** Finds such an instance somewhere in `root`. */
function findEmptied(root: unknown): object | undefined {
  const seen = new Set<unknown>();
  const rest = [root];
  while (rest.length > 0) {
    const value = rest.pop();
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    if (wouldBeEmpty(value)) return value;
    rest.push(...childrenOf(value));
  }
  return undefined;
}

// How V8 writes an object without properties: begin, end, none.
const EMPTY_OBJECT = Buffer.from('o{\0', 'latin1');

function assertSendable(bytes: Uint8Array): void {
  if (isAuthkey(bytes)) throw notClonable('the key of a process cannot be sent');
}

/** What V8 asks for typed arrays. @types/node does not have it. */
interface HostObjectWriter {
  _writeHostObject(view: ArrayBufferView): void;
}

const { _writeHostObject: writeView } = DefaultSerializer.prototype as unknown as HostObjectWriter;

/** Node's serializer, which stops at what is not only bytes. */
class Writer extends DefaultSerializer implements HostObjectWriter {
  _writeHostObject(view: ArrayBufferView): void {
    if (view instanceof Uint8Array) assertSendable(view);
    if (ArrayBuffer.isView(view) && isShareable(view))
      throw new TypeError('shared memory is not cloned');
    writeView.call(this, view);
  }
}

function serialize(value: unknown): Buffer {
  const writer = new Writer();
  writer.writeHeader();
  writer.writeValue(value);
  return writer.releaseBuffer();
}

function notClonableObject(emptied: object): ProcessError {
  const { name } = emptied.constructor;
  return notClonable(`#<${name}> could not be cloned: its state is not in its properties`);
}

function clone(value: unknown, carriage: Carriage): Encoded {
  if (isShareable(value)) return encodeShared(value, carriage)!;
  let bytes: Buffer | undefined;
  let failure: unknown;
  try {
    bytes = serialize(value);
  } catch (error) {
    failure = error;
  }
  // To look for them takes as long again as to write the value; where there are no
  // empty objects there are none.
  if (bytes !== undefined && !bytes.includes(EMPTY_OBJECT))
    return { kind: Kind.clone, body: bytes };
  const shared = encodeShared(value, carriage);
  if (shared !== undefined) return shared;
  if (bytes === undefined) {
    throw isClear(failure) ? failure : notClonable((failure as Error).message, failure);
  }
  const emptied = findEmptied(value);
  if (emptied !== undefined) throw notClonableObject(emptied);
  return { kind: Kind.clone, body: bytes };
}

/** A value with objects in it that are more than data; undefined if there are none. */
function encodeShared(value: unknown, carriage: Carriage): Encoded | undefined {
  const luggage = new OutgoingLuggage(carriage);
  try {
    const packed = pack(value, luggage);
    if (packed === undefined) return undefined;
    const { root, slots, parts } = packed;
    const emptied = findEmptied([root, parts]);
    if (emptied !== undefined) throw notClonableObject(emptied);
    luggage.close();
    const { fds, ticket } = luggage;
    const body = serialize([root, slots, parts, ticket]);
    return { kind: Kind.shared, body, fds, ticket };
  } catch (error) {
    if (luggage.ticket !== undefined) revoke(luggage.ticket);
    throw isClear(error) ? error : notClonable((error as Error).message, error);
  }
}

const BUILT_IN = [
  AggregateError,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
];
const OURS = [
  AbortError,
  AuthenticationError,
  BufferTooShort,
  EOFError,
  ProcessError,
  TimeoutError,
  WorkerLostError,
];

/** By name: the classes of which an error comes back as an instance. */
const PROTOTYPES = new Map<string, object>(
  [...BUILT_IN, ...OURS, DOMException].map(({ name, prototype }) => [name, prototype]),
);

/** An error taken apart. */
interface ErrorParts {
  /** One of {@link PROTOTYPES}, if it is of such a class. */
  className: string | undefined;
  name: string;
  message: string;
  stack: string | undefined;
  // Encoded one by one, for they may be errors too.
  cause?: Buffer;
  errors?: Buffer[];
  properties: Record<string, Buffer>;
}

function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof DOMException;
}

function classNameOf(error: Error): string | undefined {
  const prototype = Object.getPrototypeOf(error) as object | null;
  const known = [...PROTOTYPES].find(([, candidate]) => candidate === prototype);
  // Errors of another context have other classes of the same names.
  return known?.[0] ?? BUILT_IN.find(({ name }) => name === error.name)?.name;
}

/** Takes errors apart, each of them once: causes and properties may go in circles. */
class ErrorEncoder {
  readonly #seen = new Set<unknown>();

  encode(error: Error): Encoded {
    return { kind: Kind.error, body: serialize(this.#takeApart(error)) };
  }

  #takeApart(error: Error): ErrorParts {
    // A program may have put anything there.
    const { name, message, stack } = error as { name: unknown; message: unknown; stack: unknown };
    const parts: ErrorParts = {
      className: classNameOf(error),
      name: String(name),
      message: String(message),
      stack: typeof stack === 'string' ? stack : undefined,
      properties: {},
    };
    if (this.#seen.has(error)) return parts;
    this.#seen.add(error);
    parts.properties = this.#properties(error);
    if ('cause' in error) parts.cause = this.#encodeReason(error.cause);
    if (error instanceof AggregateError) {
      parts.errors = error.errors.map((reason) => this.#encodeReason(reason));
    }
    return parts;
  }

  #properties(error: Error): Record<string, Buffer> {
    const properties: Record<string, Buffer> = {};
    for (const key of Object.keys(error)) {
      if (key === 'cause' || key === 'errors') continue;
      try {
        properties[key] = this.#encodeReason(Reflect.get(error, key));
      } catch {
        // A getter that throws has no value.
      }
    }
    return properties;
  }

  /** The value, or what it looks like. */
  #encodeReason(value: unknown): Buffer {
    if (isError(value)) return join(this.encode(value));
    try {
      return join(encode(value));
    } catch {
      return join(encode(inspect(value)));
    }
  }
}

function join({ kind, body }: Encoded): Buffer {
  return Buffer.concat([Uint8Array.of(kind), body]);
}

/** As the properties of errors are that are not enumerated. */
function hidden(value: unknown): PropertyDescriptor {
  return { value, configurable: true, writable: true };
}

/**
 * An error like the one that was taken apart. Built-in classes and our own come back as
 * themselves; an error of any other class is an Error with that name.
 */
function putTogether(parts: ErrorParts): Error {
  const { className, name, message, stack, cause, errors, properties } = parts;
  const isWebError = className === DOMException.name;
  const error = isWebError ? new DOMException(message, name) : new Error(message);
  const prototype = className === undefined ? undefined : PROTOTYPES.get(className);
  if (prototype !== undefined && !isWebError) Object.setPrototypeOf(error, prototype);
  if (error.name !== name) Object.defineProperty(error, 'name', hidden(name));
  Object.defineProperty(error, 'stack', hidden(stack));
  if (cause !== undefined) Object.defineProperty(error, 'cause', hidden(decode(cause)));
  if (errors !== undefined)
    Object.defineProperty(error, 'errors', hidden(errors.map((each) => decode(each))));
  for (const [key, value] of Object.entries(properties)) {
    Object.defineProperty(error, key, { ...hidden(decode(value)), enumerable: true });
  }
  return error;
}

const NUMBER_SIZE = 8;

function encodeNumber(value: number): Encoded {
  const body = Buffer.allocUnsafe(NUMBER_SIZE);
  body.writeDoubleLE(value);
  return { kind: Kind.number, body };
}

/**
 * Bytes that {@link decode} makes an equal value of.
 *
 * @param carriage how descriptors can go along
 * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE`, `ERR_TRUEFORK_NOT_SHAREABLE`
 */
export function encode(value: unknown, carriage: Carriage = 'apart'): Encoded {
  if (typeof value === 'number') return encodeNumber(value);
  // UTF-8 has no lone surrogates.
  if (typeof value === 'string' && value.isWellFormed()) {
    return { kind: Kind.string, body: Buffer.from(value) };
  }
  if (types.isUint8Array(value)) {
    const isBuffer = Object.getPrototypeOf(value) === Buffer.prototype;
    if (!isBuffer) assertSendable(value);
    if (!isBuffer && isShareable(value)) return encodeShared(value, carriage)!;
    return { kind: Buffer.isBuffer(value) ? Kind.buffer : Kind.uint8Array, body: value };
  }
  if (isError(value)) return new ErrorEncoder().encode(value);
  if (value instanceof SharedMemory) {
    return { kind: Kind.sharedMemory, body: Buffer.from(value.name) };
  }
  if (value instanceof ShareableList) {
    return { kind: Kind.shareableList, body: Buffer.from(value.shm.name) };
  }
  return clone(value, carriage);
}

/** @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE` */
function restore(body: Buffer): unknown {
  try {
    return deserialize(body);
  } catch (cause) {
    throw badMessage(cause);
  }
}

/** What was taken apart, be it by a peer that means no good. */
function restoreError(body: Buffer): Error {
  const parts = restore(body) as ErrorParts;
  try {
    return putTogether(parts);
  } catch (error) {
    throw withCode(error);
  }
}

/** Whether it says what is wrong with something else than the message. */
function isClear(error: unknown): boolean {
  const { code, syscall } = error as Partial<SystemError>;
  return error instanceof ProcessError || (code !== undefined && syscall !== undefined);
}

function withCode(error: unknown): unknown {
  return isClear(error) ? error : badMessage(error);
}

/** What is somewhere else. @throws SystemError if it is not there any more */
function byName<T>(body: Buffer, attach: (name: string) => T): T {
  try {
    return attach(body.toString());
  } catch (error) {
    throw withCode(error);
  }
}

function badMessage(cause?: unknown): ProcessError {
  const message = 'the message was not sent by send()';
  return new ProcessError('ERR_TRUEFORK_BAD_MESSAGE', message, { cause });
}

type Parts = [Packed['root'], Packed['slots'], Packed['parts']];

function restoreShared(body: Buffer, fds: number[]): unknown {
  const delivered = new DeliveredLuggage(fds);
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
 * @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE`
 */
export function decode(message: Buffer, fds: number[] = []): unknown {
  const body = message.subarray(1);
  if (message[0] === Kind.shared) return restoreShared(body, fds);
  closeFds(fds);
  switch (message[0]) {
    case Kind.clone:
      return restore(body);
    case Kind.string:
      return body.toString();
    case Kind.number:
      if (body.length !== NUMBER_SIZE) throw badMessage();
      return body.readDoubleLE();
    case Kind.buffer:
      return body;
    case Kind.uint8Array:
      return new Uint8Array(body.buffer, body.byteOffset, body.length);
    case Kind.sharedMemory:
      return byName(body, (name) => new SharedMemory({ name }));
    case Kind.shareableList:
      return byName(body, (name) => new ShareableList(undefined, { name }));
    case Kind.error:
      return restoreError(body);
    default:
      throw badMessage();
  }
}
