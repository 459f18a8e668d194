// File streams that the parent has made and whose file is not open yet when it forks. A stream to
// write to and its copy have to share one open file, as they do if it was open before: through
// two, each would overwrite what the other writes. So the file is opened before the fork.
import fs, { openSync, ReadStream, statSync, WriteStream } from 'node:fs';
import { precompileForChildren } from '../../common/precompiled.js';
import { sleepSync } from '../../common/waiting.js';
import { finishedOpens } from '../forked-child.js';
import { hiddenValue } from './hidden.js';

type Callback = (error?: Error | null) => void;
type Construct = (this: FileStream, callback: Callback) => void;

/** A ReadStream or a WriteStream. */
export interface FileStream extends NodeJS.EventEmitter {
  fd: number | null;
  readonly path: string | Buffer;
  readonly flags: string;
  readonly mode: number;
  readonly destroyed: boolean;
}

/** How long the thread pool may take to open a file, in milliseconds. */
const OPEN_TIMEOUT_MS = 100;

/** Streams whose file is not open yet, and whether the thread pool has been asked to open it. */
const opening = new Map<FileStream, boolean>();
/** Descriptors that were opened for them since, in the stead of the thread pool. */
const openedAhead = new Map<FileStream, number>();
/** The descriptors with which they are in the child that is forked next. */
const descriptors = new Map<FileStream, number>();

function isOpening(stream: FileStream): boolean {
  return Object.hasOwn(stream, 'fd') && stream.fd === null && !stream.destroyed;
}

/** Opens the file as Node does, or takes the one that was opened ahead. */
function construct(this: FileStream, original: Construct, callback: Callback): void {
  const done: Callback = (error) => {
    opening.delete(this);
    callback(error);
  };
  const fd = openedAhead.get(this);
  if (fd === undefined) {
    opening.set(this, true);
    Reflect.apply(original, this, [done]);
    return;
  }
  openedAhead.delete(this);
  this.fd = fd;
  done();
  this.emit('open', fd);
  this.emit('ready');
}

/** A stream asks for this method when it is made, before it returns to the program. */
function noticeStreams(prototype: object): void {
  const original = Reflect.get(prototype, '_construct') as Construct;
  const method: Construct = function (callback) {
    Reflect.apply(construct, this, [original, callback]);
  };
  Object.defineProperty(prototype, '_construct', {
    configurable: true,
    enumerable: true,
    get(this: FileStream) {
      if (!opening.has(this) && isOpening(this)) opening.set(this, false);
      return method;
    },
    set(this: FileStream, value: Construct) {
      Object.defineProperty(this, '_construct', { value, writable: true, configurable: true });
    },
  });
}

/** Whether the stream is one of files, and not of what a program has put in the place of `fs`. */
function usesFileSystem(stream: FileStream): boolean {
  return hiddenValue(stream, 'kFs') === fs;
}

function openNow(stream: FileStream): number | undefined {
  if (!usesFileSystem(stream)) return undefined;
  try {
    // That would wait for somebody at the other end.
    if (statSync(stream.path, { throwIfNoEntry: false })?.isFIFO()) return undefined;
    return openSync(stream.path, stream.flags, stream.mode);
  } catch {
    return undefined; // of which the stream will speak by itself
  }
}

function openAhead(stream: FileStream): number | undefined {
  const fd = openedAhead.get(stream) ?? openNow(stream);
  if (fd !== undefined) openedAhead.set(stream, fd);
  return fd;
}

/** Blocks the thread until the thread pool has opened the file. */
function awaitOpen({ path }: FileStream): number | undefined {
  const taken = new Set(descriptors.values());
  for (let elapsed = 0; elapsed < OPEN_TIMEOUT_MS; elapsed++) {
    const fd = finishedOpens(String(path)).find((found) => !taken.has(found));
    if (fd !== undefined) return fd;
    sleepSync(1);
  }
  return undefined;
}

/** Call it in the parent, before it forks. */
export function openFiles(): void {
  descriptors.clear();
  for (const [stream, isAsked] of opening) {
    if (stream.destroyed || stream instanceof ReadStream) continue;
    const fd = isAsked ? awaitOpen(stream) : openAhead(stream);
    if (fd !== undefined) descriptors.set(stream, fd);
  }
}

/** In a child that has the parent's ticks the stream will open its file by itself. */
function willOpenIt(stream: FileStream, loopGoesOn: boolean): boolean {
  return loopGoesOn && stream instanceof ReadStream && opening.get(stream) === false;
}

/** A stream to read from gets a file of its own: nobody has read anything of it. */
function adopt(stream: FileStream): FileStream {
  const fd = stream instanceof ReadStream ? openNow(stream) : descriptors.get(stream);
  stream.fd = fd ?? null;
  return stream;
}

/**
 * Call it in the child. Returns the streams that were being opened: open, or without a descriptor
 * if that was not possible.
 */
export function adoptFiles(loopGoesOn: boolean): FileStream[] {
  const streams = [...opening.keys()]
    .filter((stream) => !stream.destroyed && !willOpenIt(stream, loopGoesOn))
    .map(adopt);
  opening.clear();
  if (!loopGoesOn) openedAhead.clear();
  return streams;
}

noticeStreams(WriteStream.prototype);
noticeStreams(ReadStream.prototype);

precompileForChildren(adoptFiles, adopt, openNow, usesFileSystem, willOpenIt);
