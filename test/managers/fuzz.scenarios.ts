// Messages with something wrong in them: from clients that have the key, from servers, and from
// those who send proxies.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { serialize } from 'node:v8';
import {
  asyncProxy,
  callMethod,
  Client,
  Connection,
  Pipe,
  Process,
  type ProcessError,
  SyncManager,
} from 'truefork';
import { socketpair, write } from 'truefork/posix';
import { turn } from '../connection/support.js';
import { corpus, forSeeds, fuzzOptions, make, type Random } from '../support/fuzzing.js';
import { countDescriptors, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { startLying } from './hostile-server.js';

const KEY = Buffer.from('the key');
/** The name of a server that is none. */
const SERVER = '0123456789abcdef0123456789abcdef';

function writeTo(connection: Connection, bytes: Buffer): void {
  try {
    write(connection.fileno(), bytes);
  } catch (error) {
    assert.equal((error as { code: string }).code, 'EPIPE');
  }
}

/** A server in a process of its own that answers everybody what it is told to. */
function startLiar(
  path: string,
): [tell: (bytes: Buffer) => Promise<void>, end: () => Promise<void>] {
  const [ours, theirs] = Pipe();
  const lieAndLie = async (): Promise<void> => {
    ours.close();
    let lie: Buffer = Buffer.alloc(0);
    startLying(path, KEY, SERVER, () => lie);
    for await (const bytes of theirs) {
      lie = bytes as Buffer;
      theirs.sendSync('heard');
    }
    process.exit();
  };
  const liar = new Process({ target: lieAndLie, daemon: true });
  liar.start();
  theirs.close();
  const tell = async (bytes: Buffer): Promise<void> => {
    await ours.send(bytes);
    assert.equal(await ours.recv(), 'heard');
  };
  const end = async (): Promise<void> => {
    ours.close();
    assert.equal(await liar.join(), 0);
  };
  return [tell, end];
}

/** The errors for an answer that makes no sense. */
const CLEAR =
  /^ERR_TRUEFORK_(AUTHENTICATION|MANAGER_LOST|BAD_MESSAGE|HANDLE_LOST|NO_SUCH_OBJECT|NOT_EXPOSED|EMPTY)$/;

/** One object of each kind, so that the requests of the corpus have somebody to reach. */
function makeObjects(manager: SyncManager): unknown[] {
  return [
    manager.Lock(),
    manager.list([1]),
    manager.dict({ x: 1 }),
    manager.Queue(1),
    manager.list([1.5, 'x']),
    manager.Value('i', 1),
    manager.Array('d', [1, 2]),
    manager.Namespace({ y: 1 }),
    manager.Barrier(2),
    manager.Event(),
    manager.Condition(),
    manager.Semaphore(2),
  ];
}

/** A value, by its type, or one of any type. */
type Odd = ['number', number] | ['string', string] | ['clone', unknown] | ['proxy', unknown];

function value([kind, it]: Odd): Buffer {
  if (kind === 'number') return Buffer.concat([Buffer.of(5), double(it)]);
  if (kind === 'string') return Buffer.concat([Buffer.of(6), string(it)]);
  const body = Buffer.concat([Buffer.of(0), serialize(it)]);
  return Buffer.concat([Buffer.of(kind === 'clone' ? 7 : 8), uint32(body.length), body]);
}

function uint32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number >>> 0);
  return bytes;
}

function double(number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(number);
  return bytes;
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

/** A message as a server expects it. */
function request(number: number, id: number, method: string, ...args: Odd[]): Buffer {
  const head = [uint32(number), double(id), string(method), uint32(args.length)];
  return Buffer.concat([...head, ...args.map(value)]);
}

const ODD_NUMBERS = [0, -0, 1, 2, -1, 0.5, 7, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53];
const ODD_STRINGS = [
  '',
  'x',
  'constructor',
  '__proto__',
  'then',
  'length',
  'd',
  'i',
  '\0',
  'list',
  'dict',
];
const ODD_VALUES: unknown[] = [
  null,
  [],
  {},
  [[]],
  [['a', 1]],
  { length: 2 ** 31 },
  JSON.parse('{"x":1,"then":2,"toString":3}'),
  new Map([[{}, []]]),
  new Set(['x']),
  new Uint32Array([1, 0]),
  new Uint8Array(10_000),
  new Date(NaN),
  new RangeError('odd'),
  12n,
];
const METHODS = `
  create drop cancel hold redeem prepareFork noteFork debugInfo hello get set has delete
  lookUp keys values entries size clear update setDefault pop popItem getValue at concat
  copyWithin fill includes indexOf join push shift slice splice unshift reverse sort length
  setLength extend readVersion permute add getOrInsert exchange setAll acquire release locked
  wait notify notifyAll isSet parties reset abort put putNowait getNowait qsize next return
  throw typecode`
  .trim()
  .split(/\s+/);
const TYPES = ['dict', 'list', 'map', 'set', 'Namespace', 'Value', 'Lock', 'RLock', 'Semaphore'];

function oddValue(random: Random): Odd {
  switch (random.below(4)) {
    case 0:
      return ['number', random.pick(ODD_NUMBERS)];
    case 1:
      return ['string', random.pick([...ODD_STRINGS, ...TYPES])];
    case 2:
      return ['clone', random.pick(ODD_VALUES)];
    default:
      return ['proxy', random.below(40) === 0 ? oddToken(random, '/nowhere') : oddHome(random)];
  }
}

/** One of an object that is there, as a client would send it. */
function oddHome(random: Random): object {
  return { id: 1 + random.below(14), typeid: 'list', kind: 'list' };
}

function oddRequest(random: Random): Buffer {
  const args = Array.from({ length: random.below(4) }, () => oddValue(random));
  const id = random.below(3) === 0 ? 0 : 1 + random.below(14);
  const method = id === 0 && random.below(2) === 0 ? 'create' : random.pick(METHODS);
  const number = random.below(4) === 0 ? 0xffff_ffff : random.below(100);
  // A client that gets a message wrong is not listened to any more: most are right.
  const tasks = random.below(100) === 0 ? random.bytes(random.below(30)) : Buffer.alloc(0);
  return Buffer.concat([request(number, id, method, ...args), tasks]);
}

const SHAPES = [
  undefined,
  {
    methods: ['then', 'constructor', 'x'],
    properties: JSON.parse('{"then":true}') as object,
    isIterable: true,
  },
  { methods: ['toString', '__proto__'], properties: {}, isIterable: 1 },
  { methods: [], properties: [] },
  { methods: 'x', properties: null },
];

/** Forms of a proxy that have something odd about them. */
function oddToken(random: Random, address: string): object {
  const addresses = [address, [address, 1], ['127.0.0.1', 1], '', '\0', 5, null, undefined, {}];
  const kinds = ['dict', 'list', 'object', 'Lock', 'Queue', 'Iterator', 'Pool', 'constructor', 'x'];
  const homes = [
    undefined,
    { address: random.pick(addresses), server: SERVER, ticket: 'x' },
    { address, server: random.pick([SERVER, '', 5]), ticket: random.pick(['', 5, 'x']) },
  ];
  return {
    id: random.pick([...ODD_NUMBERS, 'x']),
    typeid: random.pick(['list', 'x', '__proto__', 7]),
    kind: random.pick(kinds),
    shape: random.pick(SHAPES),
    home: random.pick(homes),
  };
}

/** A message with such proxies in it. */
function oddMessage(random: Random, address: string): Buffer {
  const names = ["manager's list", "manager's dict", "manager's proxy"];
  const slots = Array.from({ length: 1 + random.below(3) }, () => ({}));
  const parts = slots.map(() => [random.pick(names), oddToken(random, address)]);
  const root = random.below(2) === 0 ? slots[0] : slots;
  return Buffer.concat([Buffer.of(7), serialize([root, slots, parts, undefined])]);
}

/** Looks at what has come, and uses the proxies in it. */
function useAll(received: unknown): void {
  for (const each of Array.isArray(received) ? (received as unknown[]).slice(0, 5) : [received]) {
    if (isProxy(each)) callMethod(each as object, 'x');
  }
}

function isProxy(it: unknown): boolean {
  try {
    return asyncProxy(it as object) !== undefined;
  } catch {
    return false;
  }
}

/** Both ends of a connection of which nothing is known. */
function strangers(): [Connection, Connection] {
  const [a, b] = socketpair();
  return [new Connection(a), new Connection(b)];
}

async function bytesOf(it: unknown): Promise<Buffer> {
  const [reader, writer] = Pipe();
  await writer.send(it);
  const bytes = await reader.recvBytes();
  reader.close();
  writer.close();
  return bytes;
}

const CLEAR_FROM_STRANGERS =
  /^(ERR_TRUEFORK_(AUTHENTICATION|BAD_MESSAGE|HANDLE_LOST|NOT_EXPOSED|NO_SUCH_OBJECT|NOT_SHAREABLE)|E[A-Z]+|ERR_[A-Z_]+)$/;

export const scenarios: Scenarios = {
  requests: {
    async run() {
      const manager = new SyncManager({ authkey: KEY }).start();
      const objects = makeObjects(manager);
      await manager.createAsync('list');
      const seeds = corpus('requests');
      const [hello] = seeds;
      const before = countDescriptors(manager.pid!);
      await forSeeds(300, async (random) => {
        const client = await Client(manager.address!, { authkey: KEY });
        const beginning = random.below(10) === 0 ? Buffer.alloc(0) : hello!;
        writeTo(client, Buffer.concat([beginning, make(seeds, random)]));
        // Some wait for their answers.
        if (random.below(2) === 0) await turn();
        client.close();
        const list = (await manager.createAsync('list', [1])) as number[];
        assert.equal(await asyncProxy(list).length(), 1);
      });
      assert.ok(manager.numberOfObjects() >= objects.length);
      await until(() => countDescriptors(manager.pid!) <= before);
      await manager.shutdown();
      assert.equal(await manager.join(), 0);
    },
    options: fuzzOptions,
  },

  'well-formed requests': {
    async run() {
      const manager = new SyncManager({ authkey: KEY }).start();
      const objects = makeObjects(manager);
      await manager.createAsync('list');
      const before = countDescriptors(manager.pid!);
      await forSeeds(60, async (random) => {
        const client = await Client(manager.address!, { authkey: KEY });
        await client.sendBytes(
          request(0, 0, 'hello', ['number', 2], ['string', 'me'], ['number', 1]),
        );
        await client.recvBytes();
        const requests = Array.from({ length: 50 }, () => oddRequest(random));
        for (const each of requests) await client.sendBytes(each).catch(() => {});
        if (random.below(2) === 0) await client.recvBytes(Infinity, 50).catch(() => {});
        client.close();
        const list = (await manager.createAsync('list', [1])) as number[];
        assert.equal(await asyncProxy(list).length(), 1);
      });
      assert.equal(objects.length, 12);
      await until(() => countDescriptors(manager.pid!) <= before);
      await manager.shutdown();
      assert.equal(await manager.join(), 0);
    },
    options: fuzzOptions,
  },

  answers: {
    async run() {
      const directory = mkdtempSync(join(tmpdir(), 'truefork-test-'));
      const address = join(directory, 'liar');
      const [tell, end] = startLiar(address);
      const seeds = corpus('answers');
      const [welcome] = seeds;
      const before = countDescriptors();
      await forSeeds(300, async (random) => {
        const beginning = random.below(10) === 0 ? Buffer.alloc(0) : welcome!;
        await tell(Buffer.concat([beginning, make(seeds, random)]));
        const manager = new SyncManager({ address, authkey: KEY });
        try {
          await manager.connect();
          manager.create('dict');
        } catch (error) {
          // A method may have thrown anything.
          if (error instanceof Error)
            assert.match((error as ProcessError).code, CLEAR, inspect(error));
        }
      });
      // The last manager may have its connections yet.
      await until(() => countDescriptors() <= before + 2);
      await end();
      rmSync(directory, { recursive: true });
    },
    options: fuzzOptions,
  },

  'proxies that were made up': {
    async run() {
      const directory = mkdtempSync(join(tmpdir(), 'truefork-test-'));
      const trap = join(directory, 'trap');
      let caught = 0;
      const server = createServer((socket) => void (caught++, socket.destroy()));
      server.listen(trap).unref();
      const manager = new SyncManager({ authkey: KEY }).start();
      const list = manager.list([1]);
      const known = [
        await bytesOf(list),
        await bytesOf(manager.dict()),
        await bytesOf([list, list]),
      ];
      const [reader, writer] = strangers();
      const before = countDescriptors();
      await forSeeds(150, async (random) => {
        for (let i = 0; i < 20; i++) {
          const isChanged = random.below(2) === 0;
          const bytes = isChanged
            ? make(known, random).subarray(0, 4096)
            : oddMessage(random, trap);
          await writer.sendBytes(bytes);
          try {
            useAll(await reader.recv());
          } catch (error) {
            assert.match((error as ProcessError).code, CLEAR_FROM_STRANGERS, inspect(error));
          }
        }
      });
      assert.equal(caught, 0);
      assert.deepEqual([...list], [1]);
      assert.ok(countDescriptors() <= before);
      await manager.shutdown();
      server.close();
      rmSync(directory, { recursive: true });
    },
    options: fuzzOptions,
  },
};
