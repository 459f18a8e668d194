// Structured clone as V8 writes it, which refuses what it would silently make `{}`, and the
// keys of processes.
import { types } from 'node:util';
import { DefaultSerializer, deserialize } from 'node:v8';
import { isAuthkey } from './authkey.js';
import { ProcessError, type SystemError } from './errors.js';
import { isShareable } from './shareables.js';

export function notClonable(message: string, cause?: unknown): ProcessError {
  return new ProcessError('ERR_TRUEFORK_NOT_CLONABLE', message, { cause });
}

export function badMessage(cause?: unknown): ProcessError {
  const message = 'the message was not sent by send()';
  return new ProcessError('ERR_TRUEFORK_BAD_MESSAGE', message, { cause });
}

/** Whether it says what is wrong with something else than the value or the message. */
export function isClear(error: unknown): boolean {
  const { code, syscall } = error as Partial<SystemError>;
  return error instanceof ProcessError || (code !== undefined && syscall !== undefined);
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
 * whose state is private, as that of URL, Blob, AbortSignal.
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

/** @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE` if a clone of an object in `root` would be empty */
export function assertWhole(root: unknown): void {
  const emptied = findEmptied(root);
  if (emptied === undefined) return;
  const { name } = emptied.constructor;
  throw notClonable(`#<${name}> could not be cloned: its state is not in its properties`);
}

// How V8 writes an object without properties: begin, end, none.
const EMPTY_OBJECT = Buffer.from('o{\0', 'latin1');

/** To look for them takes as long again as to write the value; without empty objects there are none. */
export function mayHaveEmptied(bytes: Buffer): boolean {
  return bytes.includes(EMPTY_OBJECT);
}

/** @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE` */
export function assertSendable(bytes: Uint8Array): void {
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

/** Throws whatever V8 says. */
export function serialize(value: unknown): Buffer {
  const writer = new Writer();
  writer.writeHeader();
  writer.writeValue(value);
  return writer.releaseBuffer();
}

/** @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE` */
export function restore(body: Buffer): unknown {
  try {
    return deserialize(body);
  } catch (cause) {
    throw badMessage(cause);
  }
}
