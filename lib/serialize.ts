// Values as bytes, for other processes. Structured clone as V8 writes it, with
// three differences: strings, numbers and bytes take a short cut, errors stay
// whole, and what a clone would silently make `{}` is refused.
import { inspect, types } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { ProcessError } from './errors.js';

const Kind = { clone: 0, string: 1, number: 2, buffer: 3, uint8Array: 4, error: 5 } as const;

/** A value as bytes. */
export interface Encoded {
  /** The first byte of the message: what the others are. */
  kind: number;
  /** The other bytes; they may be those of the value itself. */
  body: Uint8Array;
}

function notClonable(message: string, cause?: unknown): ProcessError {
  return new ProcessError('ERR_TRUEFORK_NOT_CLONABLE', message, { cause });
}

/** Web objects whose state is private: V8 would write an empty object. */
const STATEFUL = new Set([
  'AbortController',
  'AbortSignal',
  'Blob',
  'BroadcastChannel',
  'CompressionStream',
  'DecompressionStream',
  'EventTarget',
  'File',
  'FormData',
  'Headers',
  'MessageChannel',
  'MessagePort',
  'ReadableStream',
  'Request',
  'Response',
  'TextDecoder',
  'TextEncoder',
  'TransformStream',
  'URL',
  'URLSearchParams',
  'WebSocket',
  'WritableStream',
]);

function* childrenOf(value: object): Iterable<unknown> {
  if (types.isMap(value)) {
    for (const entry of value) yield* entry;
  } else if (types.isSet(value)) {
    yield* value;
  } else if (!ArrayBuffer.isView(value)) {
    yield* Object.values(value);
  }
}

/** Finds a web object somewhere in `root`. */
function findStateful(root: unknown): object | undefined {
  const seen = new Set<unknown>();
  const rest = [root];
  while (rest.length > 0) {
    const value = rest.pop();
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    if (STATEFUL.has(String(Reflect.get(value, Symbol.toStringTag)))) return value;
    rest.push(...childrenOf(value));
  }
  return undefined;
}

// How V8 writes an object without properties: begin, end, none.
const EMPTY_OBJECT = Buffer.from('o{\0', 'latin1');

function clone(value: unknown): Buffer {
  let bytes: Buffer;
  try {
    bytes = serialize(value);
  } catch (error) {
    throw notClonable((error as Error).message, error);
  }
  // To look for web objects takes as long again as to write the value; where
  // there are no empty objects there are none.
  const stateful = bytes.includes(EMPTY_OBJECT) ? findStateful(value) : undefined;
  if (stateful === undefined) return bytes;
  const what = inspect(stateful, { depth: 0 });
  throw notClonable(`${what} could not be cloned: its state is not in its properties`);
}

/** An error taken apart. */
interface ErrorParts {
  name: string;
  message: string;
  stack: string | undefined;
  /** Encoded one by one, for they may be errors too. */
  cause?: Buffer;
  errors?: Buffer[];
  properties: Record<string, unknown>;
}

/** The value, or what it looks like. */
function cloneable(value: unknown): unknown {
  try {
    clone(value);
    return value;
  } catch {
    return inspect(value);
  }
}

function ownProperties(error: Error): Record<string, unknown> {
  const properties: Record<string, unknown> = {};
  for (const key of Object.keys(error)) {
    if (key === 'cause' || key === 'errors') continue;
    try {
      properties[key] = cloneable(Reflect.get(error, key));
    } catch {
      // A getter that throws has no value.
    }
  }
  return properties;
}

function join({ kind, body }: Encoded): Buffer {
  return Buffer.concat([Uint8Array.of(kind), body]);
}

function takeApart(error: Error, depth: number): ErrorParts {
  // A program may have put anything there.
  const { name, message, stack } = error as { name: unknown; message: unknown; stack: unknown };
  const parts: ErrorParts = {
    name: String(name),
    message: String(message),
    stack: typeof stack === 'string' ? stack : undefined,
    properties: ownProperties(error),
  };
  if (depth === 0) return parts;
  const encodeReason = (reason: unknown): Buffer =>
    join(types.isNativeError(reason) ? encodeError(reason, depth - 1) : encode(cloneable(reason)));
  if ('cause' in error) parts.cause = encodeReason(error.cause);
  if (error instanceof AggregateError) parts.errors = error.errors.map(encodeReason);
  return parts;
}

/** How many causes of causes to follow; they may go in circles. */
const MAX_CAUSES = 16;

function encodeError(error: Error, depth = MAX_CAUSES): Encoded {
  return { kind: Kind.error, body: serialize(takeApart(error, depth)) };
}

const CONSTRUCTORS: Record<string, ErrorConstructor | undefined> = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/** As the properties of errors are that are not enumerated. */
function hidden(value: unknown): PropertyDescriptor {
  return { value, configurable: true, writable: true };
}

/**
 * An error like the one that was taken apart. Built-in classes come back as
 * themselves; an error of any other class is an Error with that name.
 */
function putTogether({ name, message, stack, cause, errors, properties }: ErrorParts): Error {
  const error =
    errors === undefined
      ? new (CONSTRUCTORS[name] ?? Error)(message)
      : new AggregateError(errors.map(decode), message);
  if (error.name !== name) Object.defineProperty(error, 'name', hidden(name));
  Object.defineProperty(error, 'stack', hidden(stack));
  if (cause !== undefined) Object.defineProperty(error, 'cause', hidden(decode(cause)));
  return Object.assign(error, properties);
}

function encodeNumber(value: number): Encoded {
  const body = Buffer.allocUnsafe(8);
  body.writeDoubleLE(value);
  return { kind: Kind.number, body };
}

/**
 * Bytes that {@link decode} makes an equal value of.
 *
 * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE`
 */
export function encode(value: unknown): Encoded {
  if (typeof value === 'number') return encodeNumber(value);
  // UTF-8 has no lone surrogates.
  if (typeof value === 'string' && value.isWellFormed()) {
    return { kind: Kind.string, body: Buffer.from(value) };
  }
  if (types.isUint8Array(value)) {
    return { kind: Buffer.isBuffer(value) ? Kind.buffer : Kind.uint8Array, body: value };
  }
  if (types.isNativeError(value)) return encodeError(value);
  return { kind: Kind.clone, body: clone(value) };
}

/** The value that was encoded. Its bytes may be those of `message`. */
export function decode(message: Buffer): unknown {
  const body = message.subarray(1);
  switch (message[0]) {
    case Kind.clone:
      return deserialize(body);
    case Kind.string:
      return body.toString();
    case Kind.number:
      return body.readDoubleLE();
    case Kind.buffer:
      return body;
    case Kind.uint8Array:
      return new Uint8Array(body.buffer, body.byteOffset, body.length);
    case Kind.error:
      return putTogether(deserialize(body) as ErrorParts);
    default:
      throw new ProcessError('ERR_TRUEFORK_BAD_MESSAGE', 'the message was not sent by send()');
  }
}
