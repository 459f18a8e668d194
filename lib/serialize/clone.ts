// Structured clone as V8 writes it, which refuses what it would silently make `{}`, and the
// keys of processes.
import { types } from 'node:util';
import { DefaultSerializer, deserialize } from 'node:v8';
import { isKeyMemory } from '../common/authkey.js';
import { plainArray } from '../common/bytes.js';
import { ProcessError, type SystemError } from '../common/errors.js';
import { isShareable } from './shareables.js';

export function notClonable(message: string, cause?: unknown): ProcessError {
  const options = cause === undefined ? undefined : { cause };
  return new ProcessError('ERR_TRUEFORK_NOT_CLONABLE', message, options);
}

export function badMessage(cause?: unknown): ProcessError {
  const message = 'the message was not sent by send()';
  return new ProcessError('ERR_TRUEFORK_BAD_MESSAGE', message, { cause });
}

/** Whether it says what is wrong with something else than the value or the message. */
export function isClear(error: unknown): boolean {
  if (error instanceof ProcessError) return true;
  const { code, syscall } = (error ?? {}) as Partial<SystemError>;
  return code !== undefined && syscall !== undefined;
}

function isTooDeep(error: unknown): boolean {
  return error instanceof RangeError && error.message.startsWith('Maximum call stack');
}

/**
 * The error for a value that could not be written, be it that a getter of its own has thrown
 * anything.
 */
export function refusal(error: unknown): unknown {
  if (isClear(error)) return error;
  if (isTooDeep(error))
    return notClonable('the value could not be cloned: it is nested too deeply', error);
  return notClonable(
    error instanceof Error ? error.message : 'the value could not be cloned',
    error,
  );
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

/**
 * Finds an object somewhere in `root`, without recursion: it may be nested as deeply as memory
 * allows.
 */
function find(root: unknown, isRight: (object: object) => boolean): object | undefined {
  const seen = new Set<unknown>();
  const rest = [root];
  while (rest.length > 0) {
    const value = rest.pop();
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    if (isRight(value)) return value;
    for (const child of childrenOf(value)) rest.push(child);
  }
  return undefined;
}

/**
 * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE` if a clone of an object in `root` would be empty
 */
export function assertWhole(root: unknown): void {
  const emptied = find(root, wouldBeEmpty);
  if (emptied === undefined) return;
  const { name } = emptied.constructor;
  throw notClonable(`#<${name}> could not be cloned: its state is not in its properties`);
}

// How V8 writes an object without properties: begin, end, none.
const EMPTY_OBJECT = Buffer.from('o{\0', 'latin1');

/**
 * To look for them takes as long again as to write the value; without empty objects there are none.
 */
export function mayHaveEmptied(bytes: Buffer): boolean {
  return bytes.includes(EMPTY_OBJECT);
}

function isKey(object: object): boolean {
  return isKeyMemory(ArrayBuffer.isView(object) ? object.buffer : object);
}

/** Whether the key of a process is somewhere in `root`. Throws what getters throw. */
export function holdsKey(root: unknown): boolean {
  return find(root, isKey) !== undefined;
}

/**
 * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE` if it is the key of a process, or a view of its
 *   memory
 */
export function assertSendable(bytes: object): void {
  if (isKey(bytes)) throw notClonable('the key of a process cannot be sent');
}

/**
 * Methods that V8 calls for typed arrays, and for memory that threads share; @types/node lacks
 * them.
 */
interface HostObjectWriter {
  _writeHostObject(view: ArrayBufferView): void;
  _getSharedArrayBufferId(memory: SharedArrayBuffer): number;
}

const { _writeHostObject: writeView } = DefaultSerializer.prototype as unknown as HostObjectWriter;

/** Node's serializer, which stops at what is not only bytes. */
class Writer extends DefaultSerializer implements HostObjectWriter {
  _writeHostObject(view: ArrayBufferView): void {
    assertSendable(view);
    if (ArrayBuffer.isView(view) && isShareable(view))
      throw new TypeError('shared memory is not cloned');
    writeView.call(this, types.isTypedArray(view) ? plainArray(view) : view);
  }

  _getSharedArrayBufferId(memory: SharedArrayBuffer): never {
    assertSendable(memory);
    throw new TypeError('#<SharedArrayBuffer> could not be cloned.');
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
