// Random bytes, and messages with something wrong in them, for all that reads what a peer sends.
// TRUEFORK_FUZZ=<seconds> goes on that long with seeds of its own; TRUEFORK_SEED=<number> repeats one.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { Client, type Connection, Listener } from 'truefork';
import { close } from 'truefork/posix';
import { countDescriptors, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { assertConnected, KEY } from './listening.js';
import { rawPair, turn, writeAll } from './support.js';

/** No message may be longer, in bytes. */
const LONGEST = 4096;

function corpus(name: string): Buffer[] {
  const path = new URL(`../../../test/connection/corpus/${name}.txt`, import.meta.url);
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => /^[0-9a-f]+$/.test(line)).map((line) => Buffer.from(line, 'hex'));
}

/** Numbers that look random and are the same for the same seed. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to `limit` − 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) % limit;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

/** Lengths that may go wrong. */
const LENGTHS = [0, 1, 2, 255, 256, 257, LONGEST, LONGEST + 1, 2 ** 31 - 1, -1, -2, -(2 ** 31)];

function header(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(length);
  return bytes;
}

const CHANGES: ((bytes: Buffer, random: Random) => Buffer)[] = [
  (bytes) => bytes,
  (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  (bytes, random) => {
    const changed = Buffer.from(bytes);
    if (bytes.length > 0) changed[random.below(bytes.length)]! ^= 1 << random.below(8);
    return changed;
  },
  (bytes, random) => {
    const at = random.below(bytes.length + 1);
    return Buffer.concat([
      bytes.subarray(0, at),
      random.bytes(random.below(9)),
      bytes.subarray(at),
    ]);
  },
  (bytes, random) => Buffer.concat([header(random.pick(LENGTHS)), bytes]),
  (bytes, random) => Buffer.concat([header(random.below(300)), bytes]),
  (bytes) => Buffer.concat([header(bytes.length), bytes]),
  (_, random) => random.bytes(random.below(300)),
];

function make(seeds: readonly Buffer[], random: Random): Buffer {
  const parts = Array.from({ length: 1 + random.below(4) }, () => random.pick(seeds));
  let bytes: Buffer = Buffer.concat(parts);
  for (let i = random.below(4); i > 0; i--) bytes = random.pick(CHANGES)(bytes, random);
  return bytes;
}

/** What a reader of these bytes has to say, by the book. */
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
    if (length < 0 || length > LONGEST) return [...results, 'BAD_LENGTH'];
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
        ? connection.recvBytesSync(LONGEST)
        : await connection.recvBytes(LONGEST);
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

/** Runs `test` for many seeds, and says which was the one that failed. */
async function forSeeds(count: number, test: (random: Random) => Promise<void>): Promise<void> {
  const { TRUEFORK_FUZZ: seconds, TRUEFORK_SEED: only } = process.env;
  const isSoak = seconds !== undefined;
  const end = performance.now() + Number(seconds ?? Infinity) * 1000;
  const first = only === undefined ? (isSoak ? Date.now() % 2 ** 31 : 1) : Number(only);
  const last = only === undefined ? (isSoak ? Infinity : first + count) : first + 1;
  for (let seed = first; seed < last && performance.now() < end; seed++) {
    try {
      await test(new Random(seed));
    } catch (error) {
      throw new Error(`TRUEFORK_SEED=${seed}`, { cause: error });
    }
  }
}

const options = { timeout: 60_000 + Number(process.env['TRUEFORK_FUZZ'] ?? 0) * 1000 };

export const scenarios: Scenarios = {
  'messages, at once': {
    async run() {
      const seeds = corpus('frames');
      await forSeeds(2000, async (random) => {
        const bytes = make(seeds, random);
        const [connection, fd] = rawPair();
        writeAll(fd, bytes);
        close(fd);
        assert.deepEqual(await receive(connection, true), read(bytes), bytes.toString('hex'));
        connection.close();
      });
    },
    options,
  },

  'messages, in pieces': {
    async run() {
      const seeds = corpus('frames');
      await forSeeds(500, async (random) => {
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
    options,
  },

  values: {
    async run() {
      const seeds = corpus('frames');
      await forSeeds(2000, async (random) => {
        const [connection, fd] = rawPair();
        const bytes = make(seeds, random);
        writeAll(fd, bytes.subarray(0, 60_000));
        close(fd);
        await receiveValues(connection);
        connection.close();
      });
    },
    options,
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
    options: { ...options, nodeArgs: ['--expose-gc'] },
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
    options,
  },
};
