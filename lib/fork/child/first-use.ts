// Calls a function for each stream that a child uses for the first time: nobody can list the
// streams of a program, but all of them go through the methods of Node's classes.
import { WriteStream } from 'node:fs';
import { Duplex, Readable, Writable } from 'node:stream';
import { ProcessError } from '../../common/errors.js';
import { nextTick } from '../../common/originals.js';
import { precompileForChildren } from '../../common/precompiled.js';

type Method = (...args: unknown[]) => unknown;

/** Streams that this process has used. */
let used = new WeakSet<object>();
/** Streams that cannot be used here, and why. */
let refused = new WeakMap<object, string>();
let seeTo: (stream: object) => void = () => {};
let isInstalled = false;

export function setUsed(stream: object): void {
  used.add(stream);
}

/** The stream is about to be used. */
export function noteUse(stream: object): void {
  if (used.has(stream)) return;
  used.add(stream);
  if (!refused.has(stream)) seeTo(stream);
}

/** From here on, to write to `stream` fails, and the message says why. */
export function refuseUse(stream: object, reason: string): void {
  refused.set(stream, reason);
}

/** As Node does with what is written to a stream that cannot take it. */
function refuse(stream: Writable, args: unknown[], reason: string): void {
  const error = new ProcessError('ERR_TRUEFORK_NOT_INHERITED', `cannot use this stream: ${reason}`);
  const callback = args.find((arg) => typeof arg === 'function') as Method | undefined;
  nextTick(() => {
    callback?.(error);
    stream.emit('error', error);
  });
}

/** The return values of methods that were refused. */
const ANSWERS: Record<string, (stream: object) => unknown> = {
  write: () => false,
  end: (stream) => stream,
};

function hasChunk([chunk]: unknown[]): boolean {
  return chunk !== undefined && chunk !== null && typeof chunk !== 'function';
}

function watchMethod(prototype: object, name: string): void {
  const method = Reflect.get(prototype, name) as Method;
  const answer = ANSWERS[name];
  const watched = function (this: Writable, ...args: unknown[]): unknown {
    noteUse(this);
    const reason = answer && hasChunk(args) ? refused.get(this) : undefined;
    if (reason === undefined) return Reflect.apply(method, this, args);
    refuse(this, args, reason);
    return answer!(this);
  };
  Object.defineProperty(prototype, name, { value: watched, writable: true, configurable: true });
}

/**
 * Of a file's stream programs ask first whether it has room. The property of all streams is fixed.
 */
function watchNeedDrain(): void {
  const { get } = Object.getOwnPropertyDescriptor(Writable.prototype, 'writableNeedDrain')!;
  Object.defineProperty(WriteStream.prototype, 'writableNeedDrain', {
    configurable: true,
    get(this: object): unknown {
      noteUse(this);
      return Reflect.apply(get!, this, []);
    },
  });
}

function watchPipe(): void {
  const { pipe } = Readable.prototype;
  Readable.prototype.pipe = function (target, options) {
    noteUse(target);
    return Reflect.apply(pipe, this, [target, options]);
  };
}

function install(): void {
  isInstalled = true;
  for (const { prototype } of [Writable, Duplex]) {
    for (const name of ['write', 'end', 'cork', 'uncork', 'destroy']) watchMethod(prototype, name);
  }
  for (const name of ['read', 'destroy']) watchMethod(Readable.prototype, name);
  watchPipe();
  watchNeedDrain();
}

/** Call it in the child: none of the streams has been used here yet. */
export function onFirstUse(call: (stream: object) => void): void {
  seeTo = call;
  used = new WeakSet();
  refused = new WeakMap();
  if (!isInstalled) install();
}

precompileForChildren(
  onFirstUse,
  install,
  watchMethod,
  watchNeedDrain,
  watchPipe,
  noteUse,
  refuse,
  hasChunk,
);
