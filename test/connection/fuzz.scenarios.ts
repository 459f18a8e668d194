// Random bytes, and messages with something wrong in them, for all that reads what a peer sends.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Client, type Connection, Listener } from 'truefork';
import { close } from 'truefork/posix';
import { corpus, forSeeds, fuzzOptions, MAX_LENGTH, make } from '../support/fuzzing.js';
import { countDescriptors, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { assertConnected, KEY } from './listening.js';
import { rawPair, turn, writeAll } from './support.js';

/** The answer of a reader of these bytes, by the book. */
function read(bytes: Buffer): unknown[] {
  const results: unknown[] = [];
  let rest = bytes;
  for (;;) {
    if (rest.length === 0) return [...results, 'EOF'];
    if (rest.length < 4) return [...results, 'TRUNCATED'];
    let length = BigInt(rest.readInt32BE());
    let begin = 4;
    if (length === -1n) {
      if (rest.length < 12) return [...results, 'TRUNCATED'];
      length = rest.readBigUInt64BE(4);
      begin = 12;
    }
    if (length < 0 || length > MAX_LENGTH) return [...results, 'BAD_LENGTH'];
    const end = begin + Number(length);
    if (rest.length < end) return [...results, 'TRUNCATED'];
    results.push(rest.toString('hex', begin, end));
    rest = rest.subarray(end);
  }
}

function nameOf(error: unknown): string {
  const { code } = error as { code: string };
  assert.match(code, /^ERR_TRUEFORK_/, String(error));
  return code.slice('ERR_TRUEFORK_'.length);
}

async function receive(connection: Connection, isSync: boolean): Promise<unknown[]> {
  const results: unknown[] = [];
  for (;;) {
    try {
      const bytes = isSync
        ? connection.recvBytesSync(MAX_LENGTH)
        : await connection.recvBytes(MAX_LENGTH);
      results.push(bytes.toString('hex'));
    } catch (error) {
      return [...results, nameOf(error)];
    }
  }
}

/** As values. Only whether something else than a value or a clear error comes. */
async function receiveValues(connection: Connection): Promise<void> {
  for (;;) {
    try {
      await connection.recv();
    } catch (error) {
      const { code } = error as { code: string };
      if (/_(EOF|TRUNCATED|BAD_LENGTH)$/.test(code)) return;
      // The last three are those of shared memory whose name came.
      assert.match(
        code,
        /^(ERR_TRUEFORK_BAD_MESSAGE|ERR_TRUEFORK_HANDLE_LOST|ENOENT|EINVAL|EACCES)$/,
        String(error),
      );
    }
  }
}

export const scenarios: Scenarios = {
  'messages, at once': {
    async run() {
      const seeds = corpus('frames');
      await forSeeds(1000, async (random) => {
        const bytes = make(seeds, random);
        const [connection, fd] = rawPair();
        writeAll(fd, bytes);
        close(fd);
        assert.deepEqual(await receive(connection, true), read(bytes), bytes.toString('hex'));
        connection.close();
      });
    },
    options: fuzzOptions,
  },

  'messages, in pieces': {
    async run() {
      const seeds = corpus('frames');
      await forSeeds(300, async (random) => {
        const bytes = make(seeds, random);
        const [connection, fd] = rawPair();
        const received = receive(connection, false);
        for (let at = 0; at < bytes.length;) {
          const piece = bytes.subarray(at, at + 1 + random.below(20));
          writeAll(fd, piece);
          at += piece.length;
          if (random.below(2) === 0) await turn();
        }
        close(fd);
        assert.deepEqual(await received, read(bytes), bytes.toString('hex'));
        connection.close();
      });
    },
    options: fuzzOptions,
  },

  values: {
    async run() {
      const seeds = corpus('frames');
      await forSeeds(1000, async (random) => {
        const [connection, fd] = rawPair();
        const bytes = make(seeds, random);
        writeAll(fd, bytes.subarray(0, 60_000));
        close(fd);
        await receiveValues(connection);
        connection.close();
      });
    },
    options: fuzzOptions,
  },

  handshakes: {
    async run() {
      const before = countDescriptors();
      const seeds = corpus('handshake');
      const listener = new Listener(undefined, { authkey: KEY });
      await forSeeds(300, async (random) => {
        const accepting = listener.accept(10_000);
        const peer = connect(listener.address as string);
        peer.on('error', () => {});
        await once(peer, 'connect');
        peer.resume();
        peer.end(make(seeds, random));
        // Either it is refused, or dropped, and then the next one is accepted.
        const client = Client(listener.address, { authkey: KEY });
        try {
          await assertConnected(await accepting, await client);
        } catch (error) {
          assert.equal((error as Error).name, 'AuthenticationError');
          await assertConnected(await listener.accept(10_000), await client);
        }
        (await client).close();
        peer.destroy();
      });
      listener.close();
      const { gc } = globalThis as unknown as { gc: () => void };
      await until(() => {
        gc();
        return countDescriptors() <= before;
      });
    },
    options: { ...fuzzOptions, nodeArgs: ['--expose-gc'] },
  },

  'answers to a client': {
    async run() {
      const seeds = corpus('handshake');
      const listener = new Listener();
      await forSeeds(300, async (random) => {
        const client = Client(listener.address, { authkey: KEY, timeout: 10_000 });
        const server = await listener.accept();
        const bytes = make(seeds, random);
        writeAll(server.fileno(), bytes);
        server.close();
        await assert.rejects(client, (error) =>
          /AUTHENTICATION|EOF|TRUNCATED|BAD_LENGTH|EPIPE/.test((error as { code: string }).code),
        );
      });
      listener.close();
    },
    options: fuzzOptions,
  },
};
