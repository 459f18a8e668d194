// The writing side of a stream as it was before anything was written to it.
import { Duplex, Writable } from 'node:stream';
import { precompileForChildren } from '../../common/precompiled.js';

/** Node's state of the writing side of a stream. */
export interface WritableState {
  readonly length: number;
  readonly writing: boolean;
  readonly corked: number;
  readonly ending: boolean;
  readonly constructed: boolean;
  readonly objectMode: boolean;
  readonly decodeStrings: boolean;
  readonly defaultEncoding: BufferEncoding;
  readonly emitClose: boolean;
  readonly autoDestroy: boolean;
  readonly needDrain: boolean;
  getBuffer(): { chunk: unknown }[];
}

type StateConstructor = new (options: object, stream: Writable, isDuplex: boolean) => WritableState;

// Not in the types: the constructor of a stream's state.
const { WritableState: State } = Writable as unknown as { WritableState: StateConstructor };

/** undefined for what is no stream to write to. */
export function stateOf(stream: Writable): WritableState | undefined {
  return (stream as unknown as { _writableState?: WritableState })._writableState;
}

/** Forgets what is being written and what waits to be, without calling anybody back. */
export function forgetWrites(stream: Writable): void {
  const { objectMode, decodeStrings, defaultEncoding, emitClose, autoDestroy } = stateOf(stream)!;
  const highWaterMark = stream.writableHighWaterMark;
  const options = {
    highWaterMark,
    objectMode,
    decodeStrings,
    defaultEncoding,
    emitClose,
    autoDestroy,
  };
  const state = new State(options, stream, stream instanceof Duplex);
  Object.assign(stream, { _writableState: state });
}

precompileForChildren(stateOf, forgetWrites);
