// Streams of the parent that wait, in the child, for what only the parent will be told: that the
// thread pool has written, read or compressed something, or that a timer has fired. Data that is in
// flight or in the parent's buffers is written by the parent; in the child such a stream is as new.
import { ReadStream, WriteStream } from 'node:fs';
import { Duplex, Readable, Transform, Writable } from 'node:stream';
import { Gzip } from 'node:zlib';
import { nextTick } from '../../common/originals.js';
import { precompileForChildren } from '../../common/precompiled.js';
import { noteUse, onFirstUse, refuseUse, setUsed } from './first-use.js';
import { hiddenKey, hiddenValue } from './hidden.js';
import { adoptFiles, type FileStream } from './opening-files.js';
import { renewSonicBooms } from './sonic-boom.js';
import { forgetWrites, stateOf, type WritableState } from './writes.js';

/** Whether the parent's event loop goes on here. */
let doesLoopGoOn = false;

/** Node closes no file of which a stream says that it is being read or written. */
function stopIO(stream: object): void {
  const key = hiddenKey(stream, 'kIsPerformingIO');
  if (key !== undefined) Reflect.set(stream, key, false);
}

/** All compressions have one class behind them, which Node does not export. */
const Compression = Object.getPrototypeOf(Object.getPrototypeOf(Gzip)) as typeof Transform;

/** The addon would end the process if it were given more to do now. */
function isCompressing(stream: object): boolean {
  if (!(stream instanceof Compression)) return false;
  const { _handle: handle } = stream as { _handle?: { buffer?: unknown } | null };
  return handle?.buffer !== undefined && handle.buffer !== null;
}

/** In how many bytes the parent's writes will have ended, where the stream counts them. */
function skipBuffered(stream: Writable, state: WritableState): void {
  const counter = stream as unknown as { pos?: number };
  if (!(stream instanceof WriteStream) || counter.pos === undefined) return;
  for (const { chunk } of state.getBuffer()) counter.pos += (chunk as Uint8Array).length;
}

interface ReadableState {
  reading: boolean;
  length: number;
  buffer: { length: number; clear?: () => void };
  pipes: Writable[];
  awaitDrainWriters: Writable | Set<Writable> | null;
}

function readableStateOf(stream: object): ReadableState | undefined {
  return (stream as { _readableState?: ReadableState })._readableState;
}

/** Forgets what a stream has for its readers. */
function forgetReads(state: ReadableState): void {
  if (state.buffer.clear === undefined) state.buffer.length = 0;
  else state.buffer.clear();
  if ('bufferIndex' in state) state.bufferIndex = 0;
  state.length = 0;
}

/** A stream that is piped into one that could not take any more: both go on, and with nothing. */
function resumePiping(stream: Readable, state: ReadableState): void {
  const { awaitDrainWriters: slow } = state;
  if (slow === null || (slow instanceof Set && slow.size === 0)) return;
  for (const target of state.pipes) noteUse(target);
  forgetReads(state);
  const waiting = hiddenKey(stream, 'kCallback');
  if (waiting !== undefined) Reflect.set(stream, waiting, null);
  if (stream instanceof Writable || stream instanceof Duplex) forgetWrites(stream);
  if (slow instanceof Set) slow.clear();
  else state.awaitDrainWriters = null;
  stream.resume();
}

/** Whether the parent has written what only the parent can finish. */
function isStuck(stream: Writable, state: WritableState): boolean {
  if (doesLoopGoOn)
    return stream instanceof WriteStream && hiddenValue(stream, 'kIsPerformingIO') === true;
  // A stream whose own reader has to make room first goes on when it does.
  if (hiddenValue(stream, 'kCallback')) return false;
  return state.writing || state.length > 0 || state.corked > 0;
}

type Listener = (...args: unknown[]) => void;

/** The parent's code that waits for room would go on in the child. */
function forgetWaiters(stream: Writable): void {
  for (const listener of stream.rawListeners('drain') as (Listener & { listener?: Listener })[]) {
    if (listener.listener !== undefined) stream.off('drain', listener);
  }
}

function emitDrain(stream: Writable): void {
  stream.emit('drain');
}

/** Makes the writing side as new. The end of a stream that the parent has ended is the parent's. */
function renewWrites(stream: Writable, state: WritableState): void {
  const { ending, needDrain } = state;
  skipBuffered(stream, state);
  forgetWrites(stream);
  stopIO(stream);
  if (ending) Object.assign(stateOf(stream)!, { ending, ended: true, finished: true });
  else if (!doesLoopGoOn) forgetWaiters(stream);
  else if (needDrain) nextTick(emitDrain, stream);
}

const COMPRESSING =
  'it was compressing in the parent when this process was forked; use one that is made here';
const NOT_OPEN =
  'its file was not open when this process was forked, and could not be opened; fork after its ' +
  "'open' event, or use one that is made here";

function renewReads(stream: object, state: ReadableState): void {
  if (!doesLoopGoOn) resumePiping(stream as Readable, state);
  if (!(stream instanceof ReadStream)) return;
  state.reading = false;
  stopIO(stream);
}

/** Makes a stream of the parent usable that is used in this process for the first time. */
function seeTo(stream: object): void {
  if (isCompressing(stream)) {
    refuseUse(stream, COMPRESSING);
    return;
  }
  const reads = readableStateOf(stream);
  if (reads !== undefined) renewReads(stream, reads);
  const writable = stream as Writable;
  const writes = stateOf(writable);
  if (writes === undefined || writable.destroyed) return;
  if (isStuck(writable, writes)) renewWrites(writable, writes);
}

/** A stream with a file is open, whoever has opened that. */
function finishOpening(stream: FileStream): void {
  setUsed(stream);
  if (stream.fd === null) {
    refuseUse(stream, NOT_OPEN);
  } else if (stream instanceof WriteStream) {
    renewWrites(stream, stateOf(stream)!);
  } else {
    Object.assign(readableStateOf(stream)!, { constructed: true });
  }
}

/**
 * Call it in the child.
 *
 * @param loopGoesOn whether the parent's timers and sockets go on there, so that nothing but the
 *   thread pool's jobs is lost
 */
export function renewStreams(loopGoesOn: boolean): void {
  doesLoopGoOn = loopGoesOn;
  onFirstUse(seeTo);
  for (const stream of adoptFiles(loopGoesOn)) finishOpening(stream);
  renewSonicBooms();
}

precompileForChildren(
  renewStreams,
  seeTo,
  renewReads,
  renewWrites,
  isStuck,
  resumePiping,
  skipBuffered,
);
