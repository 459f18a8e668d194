// stdin, stdout and stderr of a child. It reads nothing: its stdin is /dev/null.
// What the parent had written and not yet got rid of, the parent writes. What the
// child writes is out when write() returns, so that no end of the child, be it
// process.exit() or SIGKILL, loses any of it.
import { closeSync, createReadStream, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { dup2 } from '../posix/descriptors.js';
import { hasHandle, writeFully } from '../posix/forked-child.js';

type Callback = (error?: Error | null) => void;

interface StdStream extends Writable {
  fd: 1 | 2;
  _writableState: unknown;
}

// Not in the types: the constructor of a stream's state.
const { WritableState } = Writable as unknown as {
  WritableState: new (options: object, stream: Writable, isDuplex: boolean) => unknown;
};

/** The stream as it was before the parent's first write(). */
function forgetWrites(stream: StdStream): void {
  const isSocket = stream instanceof Socket;
  stream._writableState = new WritableState(
    {
      highWaterMark: stream.writableHighWaterMark,
      // As net.Socket has them.
      decodeStrings: !isSocket,
      emitClose: !isSocket,
    },
    stream,
    isSocket,
  );
  // Who waits for one of these waits for the parent's data to be through.
  for (const event of ['drain', 'finish', 'close', 'pipe', 'unpipe']) {
    stream.removeAllListeners(event);
  }
}

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

const NAMES = ['stdout', 'stderr'] as const;
type Name = (typeof NAMES)[number];

/** The process for which a stream is as it should be. */
const owners = new WeakMap<Writable, number>();

function renew(stream: StdStream): StdStream {
  if (owners.get(stream) === process.pid) return stream;
  owners.set(stream, process.pid);
  forgetWrites(stream);
  return Object.assign(stream, { _write: writeSynchronously, _writev: null });
}

let isInstalled = false;

/** Makes `process.stdout` and `process.stderr` renew themselves when they are used. */
function install(): void {
  if (isInstalled) return;
  isInstalled = true;
  for (const name of NAMES) {
    const { get } = Object.getOwnPropertyDescriptor(process, name)!;
    // The program may have put something of its own there.
    if (get === undefined) continue;
    Object.defineProperty(process, name, {
      configurable: true,
      enumerable: true,
      get: () => renew(get.call(process) as StdStream),
    });
  }
}

/** Whether the parent may have used the stream. Node opens it when it is first used. */
function mayBeOpen(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    const hasHandleIfOpen = stat.isFIFO() || stat.isSocket();
    return !hasHandleIfOpen || hasHandle(fd);
  } catch {
    return false; // there is no such descriptor
  }
}

function useNullAsStdin(): void {
  const nothing = openSync('/dev/null', 'r');
  if (nothing !== 0) {
    dup2(nothing, 0);
    closeSync(nothing);
  }
  let stdin: unknown;
  Object.defineProperty(process, 'stdin', {
    configurable: true,
    enumerable: true,
    get: () => (stdin ??= createReadStream('/dev/null', { fd: 0, autoClose: false })),
  });
}

/** Call it in the child. */
export function renewStdStreams(): void {
  useNullAsStdin();
  install();
  // Others hold the streams that exist: the console, for one.
  const open: Record<Name, boolean> = { stdout: mayBeOpen(1), stderr: mayBeOpen(2) };
  for (const name of NAMES) if (open[name]) void process[name];
}
