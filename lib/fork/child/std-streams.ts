// stdin, stdout and stderr of a child. It reads nothing: its stdin is /dev/null. Output of the
// parent that is still in its buffers is written by the parent. Output of the child is out when
// write() returns, so that no end of the child, be it process.exit() or SIGKILL, loses any of it.
import { createReadStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { process } from '../../common/originals.js';
import { precompileForChildren } from '../../common/precompiled.js';
import { writeFully } from '../forked-child.js';
import { nodeInternals } from '../node-internals.js';
import { forgetWrites } from './writes.js';

type Callback = (error?: Error | null) => void;

interface StdStream extends Writable {
  fd: 1 | 2;
}

/** Listeners of these events wait for the parent's data to be through. */
const OF_WRITES = ['drain', 'finish', 'close', 'pipe', 'unpipe'];

function writeSynchronously(
  this: StdStream,
  chunk: string | Uint8Array,
  encoding: BufferEncoding,
  callback: Callback,
): void {
  try {
    writeFully(this.fd, typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
  } catch (error) {
    callback(error as Error);
    return;
  }
  callback();
}

/** The streams that this process, or one that it descends from, has used. */
const used = new Set<StdStream>();
let isInstalled = false;
let isChild = false;

function renew(stream: StdStream): void {
  forgetWrites(stream);
  for (const event of OF_WRITES) stream.removeAllListeners(event);
  Object.assign(stream, { _write: writeSynchronously, _writev: null });
}

function use(stream: StdStream): StdStream {
  if (used.has(stream)) return stream;
  used.add(stream);
  if (isChild) renew(stream);
  return stream;
}

function watch(name: 'stdout' | 'stderr'): void {
  const { get } = Object.getOwnPropertyDescriptor(process, name)!;
  // The program may have put something of its own there.
  if (get === undefined) return;
  Object.defineProperty(process, name, {
    configurable: true,
    enumerable: true,
    get: () => use(get.call(process) as StdStream),
  });
}

/** Call it in the parent: from now on it is known whether the streams are in use. */
export function watchStdStreams(): void {
  if (isInstalled) return;
  isInstalled = true;
  const { stdout, stderr } = nodeInternals();
  for (const stream of [stdout, stderr]) if (stream !== undefined) use(stream as StdStream);
  watch('stdout');
  watch('stderr');
}

function useNullAsStdin(): void {
  let stdin: unknown;
  Object.defineProperty(process, 'stdin', {
    configurable: true,
    enumerable: true,
    get: () => (stdin ??= createReadStream('/dev/null', { fd: 0, autoClose: false })),
  });
}

/**
 * Call it in the child, whose descriptor 0 is /dev/null unless `keepsStdin`. Others
 * hold the streams that exist, the console for one: these change, and remain.
 */
export function renewStdStreams(keepsStdin: boolean): void {
  if (!keepsStdin) useNullAsStdin();
  isChild = true;
  for (const stream of used) renew(stream);
}

precompileForChildren(renewStdStreams, renew, useNullAsStdin, writeSynchronously);
