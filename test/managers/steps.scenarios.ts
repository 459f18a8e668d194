// A client that is killed at every step of what it says to the server, and a server at every step
// of what it
// answers: after each piece, and in the middle of one.   TRUEFORK_STEPS=all: after every byte.
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asyncProxy, Pipe, type ProcessError, SyncManager } from 'truefork';
import { countDescriptors, until } from '../support/observe.js';
import { Relay } from '../support/relay.js';
import type { Scenarios } from '../support/scenarios.js';
import { LOST, started } from './support.js';

const KEY = Buffer.from('the key');
const EVERY_BYTE = process.env['TRUEFORK_STEPS'] === 'all';
const options = { timeout: EVERY_BYTE ? 900_000 : 300_000 };

/** A manager whose other clients come through a relay. */
async function withRelay(
  use: (manager: SyncManager, relay: Relay) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'truefork-test-'));
  const address = join(directory, 'manager');
  const moved = join(directory, 'moved');
  const manager = new SyncManager({ address, authkey: KEY }).start();
  // This process has both its connections from before.
  const list = manager.list([1]);
  assert.equal(await asyncProxy(list).length(), 1);
  renameSync(address, moved);
  const relay = await new Relay(moved).listen(address);
  try {
    await use(manager, relay);
  } finally {
    relay.close();
    await manager.shutdown();
    rmSync(directory, { recursive: true });
  }
}

function ifItIsThere<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if ((error as ProcessError).code !== LOST.code) throw error;
    return undefined;
  }
}

/** Objects of a manager, and all that a client may have to say about them. */
class Talk {
  readonly #manager: SyncManager;
  readonly #lock;
  readonly #condition;
  readonly #queue;
  readonly #list;

  constructor(manager: SyncManager) {
    this.#manager = manager;
    this.#lock = manager.Lock();
    this.#condition = manager.Condition();
    this.#queue = manager.Queue(1);
    this.#list = manager.list<unknown>();
  }

  async begin(): Promise<void> {
    const d = this.#manager.dict<Record<string, unknown>>({ inner: this.#manager.list([1]) });
    this.#lock.acquireSync();
    d['x'] = 1;
    this.#list.push(d, Buffer.alloc(100));
    await this.#takeAndGive(d);
    this.#send();
    const child = started(() => ifItIsThere(() => (d['x'] = 2)));
    await child.join();
    this.#condition.withSync(() => this.#condition.waitSync(1));
    this.#list.length = 0;
    this.#lock.release();
  }

  async #takeAndGive(d: Record<string, unknown>): Promise<void> {
    const waiting = this.#queue.get();
    // When it does not come, that is said where somebody waits for it.
    waiting.catch(() => {});
    await asyncProxy(d).get('x');
    await this.#queue.put(d);
    assert.equal(await waiting, d);
    const controller = new AbortController();
    const aborted = this.#queue.get({ signal: controller.signal });
    setImmediate(() => controller.abort());
    await assert.rejects(aborted, (error) =>
      ['AbortError', LOST.name].includes((error as Error).name),
    );
  }

  #send(): void {
    const [reader, writer] = Pipe(false);
    writer.sendSync(this.#manager.list([2]));
    reader.recvSync();
    reader.close();
    writer.close();
  }

  /** A client that has gone holds up nobody. */
  async assertFree(): Promise<void> {
    assert.equal(await this.#lock.acquire(20_000), true);
    this.#lock.release();
    assert.equal(await this.#condition.acquire(20_000), true);
    this.#condition.notifyAll();
    this.#condition.release();
    while (!this.#queue.empty()) this.#queue.getNowait();
    this.#queue.putNowait(1);
    assert.equal(await this.#queue.get(20_000), 1);
    this.#list.length = 0;
  }
}

/** Where to cut: behind each piece, and somewhere behind that. */
function cuts(ends: readonly number[]): number[] {
  const last = ends.at(-1)!;
  if (EVERY_BYTE) return Array.from({ length: last }, (_, i) => i + 1);
  const places = new Set(ends.flatMap((end, i) => [end, end + 1 + ((i * 7) % 20)]));
  return [...places].filter((place) => place < last);
}

async function say(place: number, test: () => Promise<void>): Promise<void> {
  try {
    await test();
  } catch (error) {
    throw new Error(`cut after ${place} bytes`, { cause: error });
  }
}

export const scenarios: Scenarios = {
  'a client is killed': {
    run: () =>
      withRelay(async (manager, relay) => {
        const talk = new Talk(manager);
        relay.open();
        assert.equal(await started(() => talk.begin()).join(), 0);
        relay.disconnect();
        const places = cuts(relay.endsOfPieces('toServer'));
        assert.ok(places.length > 40);
        await until(() => !manager.debugInfo().includes('dict'));
        const before = countDescriptors(manager.pid!);
        for (const place of places) {
          await say(place, async () => {
            relay.openFor('toServer', place, () => child.kill());
            const child = started(() => talk.begin());
            await child.join();
            relay.disconnect();
            await talk.assertFree();
          });
        }
        await until(() => countDescriptors(manager.pid!) <= before);
        await until(() => !manager.debugInfo().includes('dict'));
        assert.equal(await manager.join(0), null);
      }),
    options,
  },

  'a connection that is dropped in the handshake is made anew': () =>
    withRelay(async (manager, relay) => {
      const list = manager.list<number>();
      const calls = [() => list.push(1), () => asyncProxy(list).push(2)];
      for (const call of calls) {
        let drops = 0;
        relay.openFor('toClient', 10, () => {
          drops++;
          relay.open();
        });
        const child = started(async () => void (await call()));
        assert.equal(await child.join(20_000), 0);
        assert.equal(drops, 1);
      }
      assert.deepEqual([...list], [1, 2]);
      relay.disconnect();
      const child = started(() => assert.throws(() => list.push(3), LOST));
      assert.equal(await child.join(20_000), 0);
    }),

  'a server is killed': {
    async run() {
      let places: number[] = [Infinity];
      for (let i = 0; i < places.length; i++) {
        await say(places[i]!, () =>
          withRelay(async (manager, relay) => {
            const talk = new Talk(manager);
            relay.openFor('toClient', places[i]!, () => {
              process.kill(manager.pid!, 'SIGKILL');
              relay.disconnect();
            });
            const child = started(() =>
              talk.begin().catch((error) =>
                ifItIsThere(() => {
                  throw error;
                }),
              ),
            );
            assert.equal(await child.join(20_000), 0);
            if (i === 0) places = [Infinity, ...cuts(relay.endsOfPieces('toClient'))];
          }),
        );
      }
      assert.ok(places.length > 40);
    },
    options,
  },
};
