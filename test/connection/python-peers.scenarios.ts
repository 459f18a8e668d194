// A real Python at the other end: its Listener, its Client, their handshake and their frames.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type Address, Client, ClientSync, type Connection, Listener } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import {
  ADDRESSES,
  assertEnds,
  KEY,
  RECEIVED_WRONG,
  SENT_REJECTED,
  WRONG_KEY,
} from './listening.js';
import { isPattern, MB, pattern } from './support.js';

const havePython = spawnSync('python3', ['-c', 'import multiprocessing.connection']).status === 0;

/** Python writes an address as JSON would; a NUL and a name stay what they are. */
function literal(address: Address): string {
  const isPair = typeof address !== 'string';
  return isPair ? `(${JSON.stringify(address[0])}, ${address[1]})` : JSON.stringify(address);
}

class Python {
  readonly #process: ChildProcess;
  #stdout = '';

  constructor(program: string) {
    const lines = `
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener
KEY, WRONG_KEY = ${JSON.stringify(String(KEY))}.encode(), ${JSON.stringify(String(WRONG_KEY))}.encode()
${program}`;
    this.#process = spawn('python3', ['-c', lines], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
  }

  /** The first line that it prints. */
  async line(): Promise<string> {
    while (!this.#stdout.includes('\n')) await once(this.#process.stdout!, 'data');
    return this.#stdout.split('\n', 1)[0]!;
  }

  async end(): Promise<void> {
    if (this.#process.exitCode === null) await once(this.#process, 'exit');
    assert.equal(this.#process.exitCode, 0);
  }
}

/** The work of Python at a connection: turns messages around until the end. */
const ECHO = `
while True:
    try:
        message = connection.recv_bytes()
    except EOFError:
        break
    connection.send_bytes(message[::-1])
connection.close()
`;

async function assertEcho(connection: Connection): Promise<void> {
  for (const length of [0, 1, 16_384, 16_385, 5 * MB]) {
    const [reply] = await Promise.all([
      connection.recvBytes(),
      connection.sendBytes(pattern(length)),
    ]);
    assert.ok(isPattern(Buffer.from(reply.toReversed()), length), `${length}`);
  }
  for (let i = 0; i < 50; i++) connection.sendBytesSync(Buffer.from(`${i}`));
  for (let i = 0; i < 50; i++) {
    assert.equal(String(Buffer.from(connection.recvBytesSync().toReversed())), `${i}`);
  }
}

/** `test` where there is a Python, else nothing. */
function withPython(test: () => Promise<void>): () => Promise<void> {
  return havePython ? test : async () => {};
}

export const scenarios: Scenarios = {
  'its Client, our Listener': withPython(async () => {
    for (const [address, family] of Object.values(ADDRESSES)) {
      const isIPv6 = address()?.[0] === '::1'; // Python's AF_INET is IPv4
      if (isIPv6) continue;
      for (const authkey of [undefined, KEY]) {
        using listener = new Listener(address(), { family, authkey });
        const key = authkey === undefined ? 'None' : 'KEY';
        const python = new Python(
          `connection = Client(${literal(listener.address)}, authkey=${key})\n${ECHO}`,
        );
        const connection = await listener.accept();
        await assertEcho(connection);
        connection.close();
        await python.end();
      }
    }
  }),

  'its Listener, our Client': withPython(async () => {
    for (const family of ['AF_UNIX', 'AF_INET']) {
      for (const authkey of [undefined, KEY]) {
        const key = authkey === undefined ? 'None' : 'KEY';
        const python = new Python(`
import json
listener = Listener(family='${family}', authkey=${key})
print(json.dumps(listener.address), flush=True)
for _ in range(2):
    connection = listener.accept()
${ECHO.replaceAll('\n', '\n    ')}`);
        const address = JSON.parse(await python.line()) as Address;
        const connection = await Client(address, { authkey });
        await assertEcho(connection);
        connection.close();
        const other = ClientSync(address, { authkey });
        await assertEcho(other);
        other.close();
        await python.end();
      }
    }
  }),

  'a wrong key of its Client': withPython(async () => {
    using listener = new Listener(undefined, { authkey: KEY });
    const python = new Python(`
try:
    Client(${literal(listener.address)}, authkey=WRONG_KEY)
except AuthenticationError as error:
    assert 'digest sent was rejected' in str(error), error
else:
    raise SystemExit('was not refused')
`);
    await assert.rejects(listener.accept(), RECEIVED_WRONG);
    await python.end();
  }),

  'a wrong key of our Client': withPython(async () => {
    const python = new Python(`
listener = Listener(authkey=KEY)
print(listener.address, flush=True)
for _ in range(2):
    try:
        listener.accept()
    except AuthenticationError as error:
        assert 'digest received was wrong' in str(error), error
    else:
        raise SystemExit('was not refused')
`);
    const address = await python.line();
    await assert.rejects(Client(address, { authkey: WRONG_KEY }), SENT_REJECTED);
    assert.throws(() => ClientSync(address, { authkey: WRONG_KEY }), SENT_REJECTED);
    await python.end();
  }),

  'a value that it pickles is no message of ours, and the other way round': withPython(async () => {
    using listener = new Listener(undefined, { authkey: KEY });
    const python = new Python(`
import pickle
class Evil:
    def __reduce__(self):
        return (exec, ('raise SystemExit(1)',))
connection = Client(${literal(listener.address)}, authkey=KEY)
connection.send(Evil())
connection.send({'a': 1})
try:
    connection.recv()
except pickle.UnpicklingError:
    pass
`);
    const connection = await listener.accept();
    for (let i = 0; i < 2; i++) {
      await assert.rejects(connection.recv(), { code: 'ERR_TRUEFORK_BAD_MESSAGE' });
    }
    await connection.send({ a: 1 });
    await assertEnds(connection);
    await python.end();
  }),
};
