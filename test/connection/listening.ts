// Support for the tests of Listener and Client.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type Address, Client, type Connection, type Family, type Listener } from 'truefork';
import { EOF } from './support.js';

export const KEY: Buffer = Buffer.from('a secret');
export const WRONG_KEY: Buffer = Buffer.from('another secret');

export const RECEIVED_WRONG = {
  name: 'AuthenticationError',
  code: 'ERR_TRUEFORK_AUTHENTICATION',
  message: 'digest received was wrong',
};
export const SENT_REJECTED = { ...RECEIVED_WRONG, message: 'digest sent was rejected' };

export function abstractName(): string {
  return `\0truefork-test-${randomUUID()}`;
}

/** An address of each kind to listen at, and its family. */
export const ADDRESSES: Record<string, [() => Address | undefined, Family]> = {
  'a file': [() => undefined, 'AF_UNIX'],
  'an abstract name': [abstractName, 'AF_UNIX'],
  TCP: [() => ['localhost', 0], 'AF_INET'],
  'TCP over IPv6': [() => ['::1', 0], 'AF_INET'],
};

/** Two that are connected: `[of the listener, of the client]`. */
export async function connected(
  listener: Listener,
  authkey?: Uint8Array,
): Promise<[Connection, Connection]> {
  return Promise.all([listener.accept(), Client(listener.address, { authkey })]);
}

export async function assertConnected(a: Connection, b: Connection): Promise<void> {
  await a.send({ to: 'b' });
  assert.deepEqual(await b.recv(), { to: 'b' });
  b.sendBytesSync(Buffer.from('to a'));
  assert.equal(String(a.recvBytesSync()), 'to a');
}

export async function assertEnds(connection: Connection): Promise<void> {
  await assert.rejects(connection.recv(), EOF);
  connection.close();
}
