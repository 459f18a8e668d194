// Values with very many elements, more than a call can have arguments, and such that are nested
// very deeply.
import assert from 'node:assert/strict';
import { inChild, DupFd, Manager, Pipe, Pool, Process, Queue, SimpleQueue } from 'truefork';
import { countDescriptors, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

const MANY = 200_000;
const VERY_MANY = 2_000_000;
const BAD_MESSAGE = 'ERR_TRUEFORK_BAD_MESSAGE';

/** Each has an empty object, for which a value is looked through. */
const MAKERS: Record<'array' | 'objects' | 'set' | 'map' | 'object', (count: number) => object> = {
  array: (count: number) => [...Array.from({ length: count }, (_, i) => i), {}],
  objects: (count: number) => Array.from({ length: count + 1 }, () => ({})),
  set: (count: number) => new Set<unknown>([...Array(count).keys(), {}]),
  map: (count: number) => new Map<unknown, unknown>([...Array(count).entries(), ['empty', {}]]),
  object: (count: number) =>
    Object.fromEntries([...Array(count).keys(), {}].map((value, i) => [`key ${i}`, value])),
};

function sizeOf(value: unknown): number {
  if (value instanceof Map || value instanceof Set) return value.size;
  return Array.isArray(value) ? value.length : Object.keys(value as object).length;
}

function assertSize(value: unknown, count: number): void {
  assert.equal(sizeOf(value), count + 1);
}

async function throughPipe(value: unknown): Promise<unknown> {
  const [a, b] = Pipe();
  const [received] = await Promise.all([b.recv(), a.send(value)]);
  return received;
}

function nested(depth: number): unknown[] {
  let value: unknown[] = [];
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

export const scenarios: Scenarios = {
  'through pipes and queues': {
    async run() {
      for (const make of Object.values(MAKERS)) assertSize(await throughPipe(make(MANY)), MANY);
      for (const queue of [new Queue(), new Queue(1), new SimpleQueue()]) {
        queue.putSync(MAKERS.array(MANY));
        assertSize(await queue.get(), MANY);
        await queue.put(MAKERS.set(MANY));
        assertSize(queue.getSync(), MANY);
      }
    },
  },

  'as results and arguments': {
    async run() {
      await using pool = new Pool(1);
      for (const make of [MAKERS.array, MAKERS.map]) {
        assertSize(await inChild(() => make(MANY)), MANY);
        assertSize(await pool.apply(make, [MANY]), MANY);
        assert.equal(await pool.apply(sizeOf, [make(MANY)]), MANY + 1);
      }
      const items = Array.from({ length: MANY }, (_, i) => i);
      const results = await pool.map(() => ({}), items, { chunksize: MANY });
      assert.equal(results.length, MANY);
    },
  },

  'in a manager': {
    async run() {
      const manager = Manager();
      const dict = manager.dict<Record<string, unknown>>({});
      dict['array'] = MAKERS.array(MANY);
      assertSize(dict['array'], MANY);
      assertSize(manager.list(MAKERS.array(MANY) as unknown[]), MANY);
      assertSize([...manager.set(MAKERS.set(MANY) as Set<unknown>)], MANY);
      await manager.shutdown();
    },
  },

  'of two million elements': {
    options: { nodeArgs: ['--max-old-space-size=4096'] },
    async run() {
      assertSize(await inChild(() => MAKERS.array(VERY_MANY)), VERY_MANY);
      const queue = new Queue();
      queue.putSync(MAKERS.array(VERY_MANY));
      assertSize(queue.getSync(), VERY_MANY);
    },
  },

  'with objects in them that are more than data': {
    async run() {
      const before = countDescriptors();
      const handles = Array.from({ length: 600 }, () => new DupFd(0));
      for (const make of [MAKERS.array, MAKERS.map]) {
        const value = { large: make(MANY), handles };
        const received = (await throughPipe(value)) as typeof value;
        assertSize(received.large, MANY);
        for (const handle of received.handles) handle.close();
      }
      for (const handle of handles) handle.close();
      await until(() => countDescriptors() <= before + 8);
    },
  },

  'errors with very many properties, and reasons': {
    async run() {
      const error = Object.assign(new Error('here'), MAKERS.object(MANY));
      assertSize(await inChild(() => error), MANY);
      const reasons = Array.from({ length: MANY }, (_, i) => i);
      const many = await inChild(() => new AggregateError(reasons));
      assert.deepEqual(many.errors, reasons);
    },
  },

  async 'nested too deeply'() {
    const expected = { code: 'ERR_TRUEFORK_NOT_CLONABLE', message: /nested too deeply/ };
    const [a, b] = Pipe();
    const queue = new Queue();
    await using pool = new Pool(1);
    const manager = Manager();
    const dict = manager.dict<Record<string, unknown>>({});
    const handle = new DupFd(0);
    for (const value of [nested(100_000), [nested(100_000), handle], new Map([[1, nested(1e6)]])]) {
      assert.throws(() => a.sendSync(value), expected);
      await assert.rejects(a.send(value), expected);
      assert.throws(() => queue.putSync(value), expected);
      await assert.rejects(queue.put(value), expected);
      await assert.rejects(pool.apply(sizeOf, [value]), expected);
      await assert.rejects(
        pool.apply(() => value),
        expected,
      );
      await assert.rejects(
        inChild(() => value),
        expected,
      );
      assert.throws(() => (dict['x'] = value), expected);
    }
    handle.close();
    assert.equal(b.pollSync(), false);
    await manager.shutdown();
  },

  async 'nested more deeply than the receiver has room for'() {
    const [a, b] = Pipe();
    let depth = 500;
    const sender = new Process({
      target: () => {
        for (; ; depth += 500) {
          try {
            a.sendSync(nested(depth));
          } catch {
            break;
          }
        }
        a.sendSync('end');
      },
    });
    sender.start();
    const receive = (frames: number): unknown => {
      if (frames > 0) return receive(frames - 1);
      try {
        return b.recvSync();
      } catch (error) {
        return (error as { code?: unknown }).code;
      }
    };
    let received: unknown;
    for (let frames = 0; received !== 'end'; frames = (frames + 2000) % 6000) {
      received = receive(frames);
      assert.ok(Array.isArray(received) || received === 'end' || received === BAD_MESSAGE);
    }
    assert.equal(await sender.join(), 0);
  },
};
