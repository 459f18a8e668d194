// Messages with something wrong in them: from clients that have the key, and from servers.
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import {
  asyncProxy,
  Client,
  type Connection,
  Listener,
  Pipe,
  Process,
  type ProcessError,
  SyncManager,
} from 'truefork';
import { write } from 'truefork/posix';
import { countDescriptors, until } from '../support/observe.js';
import { corpus, forSeeds, fuzzOptions, make } from '../support/fuzzing.js';
import type { Scenarios } from '../support/scenarios.js';
import { turn } from '../connection/support.js';

const KEY = Buffer.from('the key');

function writeTo(connection: Connection, bytes: Buffer): void {
  try {
    write(connection.fileno(), bytes);
  } catch (error) {
    assert.equal((error as { code: string }).code, 'EPIPE');
  }
}

/** A server that answers everybody what it is told to. */
function startLiar(
  listener: Listener,
): [tell: (bytes: Buffer) => Promise<void>, end: () => Promise<void>] {
  const [ours, theirs] = Pipe();
  const lieAndLie = async (): Promise<void> => {
    ours.close();
    let lie: Buffer = Buffer.alloc(0);
    const listen = async (): Promise<never> => {
      for await (const bytes of theirs) {
        lie = bytes as Buffer;
        theirs.sendSync('heard');
      }
      process.exit();
    };
    void listen();
    for await (const connection of listener) {
      await connection.recvBytes().catch(() => {});
      writeTo(connection, lie);
      connection.close();
    }
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

/** What can be said of an answer that makes no sense. */
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

  answers: {
    async run() {
      using listener = new Listener(undefined, { authkey: KEY });
      const [tell, end] = startLiar(listener);
      const seeds = corpus('answers');
      const [welcome] = seeds;
      await forSeeds(300, async (random) => {
        const beginning = random.below(10) === 0 ? Buffer.alloc(0) : welcome!;
        await tell(Buffer.concat([beginning, make(seeds, random)]));
        const manager = new SyncManager({ address: listener.address, authkey: KEY });
        try {
          await manager.connect();
          manager.create('dict');
        } catch (error) {
          // A method may have thrown anything.
          if (error instanceof Error)
            assert.match((error as ProcessError).code, CLEAR, inspect(error));
        }
      });
      await end();
    },
    options: fuzzOptions,
  },
};
