// Support for the tests of connections.
import assert from 'node:assert/strict';
import { Connection, Pipe, Process, type ProcessOptions } from 'truefork';
import { socketpair, write } from 'truefork/posix';

export const MB = 1_000_000;

export const EOF = {
  name: 'EOFError',
  code: 'ERR_TRUEFORK_EOF',
  message: 'the other end of the connection is closed',
};
export const TIMEOUT = { name: 'TimeoutError', code: 'ERR_TRUEFORK_TIMEOUT' };
export const CLOSED = misuse('CLOSED', 'handle is closed');
export const BAD_LENGTH = misuse('BAD_LENGTH', 'bad message length');
export const TRUNCATED = misuse('TRUNCATED', 'got end of file during message');
export const BROKEN_PIPE = {
  name: 'Error',
  message: 'write EPIPE',
  code: 'EPIPE',
  syscall: 'write',
};

export function misuse(
  code: string,
  message: string,
): { name: string; code: string; message: string } {
  return { name: 'ProcessError', code: `ERR_TRUEFORK_${code}`, message };
}

export function started(options: ProcessOptions | (() => unknown)): Process {
  const child = new Process(typeof options === 'function' ? { target: options } : options);
  child.start();
  return child;
}

export async function assertGood(child: Process): Promise<void> {
  assert.equal(await child.join(), 0);
}

/** Bytes that tell where they belong. */
export function pattern(length: number): Buffer {
  return Buffer.alloc(length, '0123456789abcdefg');
}

export function isPattern(bytes: Buffer, length: number): boolean {
  return bytes.equals(pattern(length));
}

/** The simplex pair and both directions of the duplex one: `[receiver, sender]`. */
export function pairs(): [Connection, Connection][] {
  const [a, b] = Pipe();
  const [c, d] = Pipe(true);
  return [Pipe(false), [a, b], [d, c]];
}

/** A connection, and the descriptor of its other end. */
export function rawPair(): [Connection, number] {
  const [a, b] = socketpair();
  return [new Connection(a), b];
}

export function writeAll(fd: number, ...parts: Uint8Array[]): void {
  const bytes = Buffer.concat(parts);
  assert.equal(write(fd, bytes), bytes.length);
}

export function shortHeader(length: number): Buffer {
  const header = Buffer.alloc(4);
  header.writeInt32BE(length);
  return header;
}

export async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
