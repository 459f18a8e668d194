import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Connection, Listener } from 'truefork';
import { KEY } from './listening.js';

/**
 * Starts a program that is not forked from this one, and connects with it.
 *
 * @returns the connection, which the program calls the same, and what waits for its good end
 */
export async function stranger(
  program: string,
): Promise<[Connection, () => Promise<void>, ChildProcess]> {
  using listener = new Listener(undefined, { authkey: KEY });
  const lines = `
    import * as truefork from 'truefork';
    const connection = await truefork.Client(process.argv[1], { authkey: Buffer.from(process.argv[2]) });
    ${program}
  `;
  const args = ['--input-type=module', '-e', lines, listener.address as string, String(KEY)];
  const other = spawn(process.execPath, args, { stdio: 'inherit' });
  const connection = await listener.accept();
  const end = async (): Promise<void> => {
    if (other.exitCode === null) await once(other, 'exit');
    assert.equal(other.exitCode, 0);
  };
  return [connection, end, other];
}
