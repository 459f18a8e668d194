// Descriptors that go with items of a queue are given back: when an item is not put, and when
// nobody can take it any more.
import assert from 'node:assert/strict';
import { fstatSync } from 'node:fs';
import { type Connection, DupFd, JoinableQueue, Pipe, Process, Queue, SimpleQueue } from 'truefork';
import { countDescriptors, sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

type AnyQueue = Pick<Queue, 'put' | 'putSync' | 'getSync'>;

const KINDS: (() => AnyQueue)[] = [
  () => new Queue(),
  () => new Queue(10),
  () => new SimpleQueue(),
  () => new JoinableQueue(),
];
const COUNT = 5;
const EXPOSE_GC = { nodeArgs: ['--expose-gc'] };

declare function gc(): void;

/** How many descriptors there are once what is garbage is gone: no more than before. */
async function assertBack(before: number): Promise<void> {
  await until(() => {
    gc();
    return countDescriptors() <= before;
  });
}

async function collect(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    gc();
    await sleep(30);
  }
}

/** Makes all that the first of such items makes. */
async function warmUp(): Promise<number> {
  (() => {
    const queue = new Queue();
    using handle = new DupFd(0);
    queue.putSync(handle);
    (queue.getSync() as DupFd).close();
  })();
  await collect();
  return countDescriptors();
}

function putSome(queue: AnyQueue): void {
  for (let i = 0; i < COUNT; i++) {
    using handle = new DupFd(0);
    queue.putSync({ handle });
  }
}

/** Items for a child, which takes one when it is told to. This process has the queue no more. */
function putForChild(ours: Connection, theirs: Connection): Process {
  const queue = new Queue();
  const child = new Process({
    target: async () => {
      ours.close();
      await theirs.recv();
      const { handle } = queue.getSync() as { handle: DupFd };
      fstatSync(handle.fileno());
      theirs.sendSync('taken');
      await theirs.recv();
    },
  });
  child.start();
  theirs.close();
  putSome(queue);
  return child;
}

export const scenarios: Scenarios = {
  'of a queue that is collected': {
    options: EXPOSE_GC,
    async run() {
      const before = await warmUp();
      for (const make of KINDS) {
        putSome(make());
        await assertBack(before);
      }
    },
  },

  'but not while another process has the queue': {
    options: EXPOSE_GC,
    async run() {
      const before = await warmUp();
      for (const end of ['SIGKILL', 'exit'] as const) {
        const [ours, theirs] = Pipe();
        const child = putForChild(ours, theirs);
        await collect();
        ours.sendSync('take');
        assert.equal(await ours.recv(), 'taken');
        assert.ok(countDescriptors() >= before + COUNT - 1);
        if (end === 'SIGKILL') child.kill();
        else ours.sendSync('end');
        await child.join();
        child.close();
        ours.close();
        await assertBack(before);
      }
    },
  },

  'nor while it is on its way to one': {
    options: EXPOSE_GC,
    async run() {
      const before = await warmUp();
      const [a, b] = Pipe();
      (() => {
        const queue = new SimpleQueue();
        putSome(queue);
        a.sendSync(queue);
      })();
      await collect();
      (() => {
        const queue = b.recvSync() as SimpleQueue<{ handle: DupFd }>;
        for (let i = 0; i < COUNT; i++) queue.getSync().handle.close();
      })();
      a.close();
      b.close();
      await assertBack(before);
    },
  },

  'of items that are not put': {
    options: EXPOSE_GC,
    async run() {
      await warmUp();
      const handle = new DupFd(0);
      for (const queue of [new Queue(1), new SimpleQueue({ size: 4096 })] as AnyQueue[]) {
        queue.putSync(Buffer.alloc(3000));
        const values: unknown[] = [[handle, Buffer.alloc(3000)]];
        const bad: unknown[] = [
          [handle, () => {}],
          [handle, new (class extends URL {})('a:b')],
        ];
        const once = async (): Promise<void> => {
          for (const value of values) {
            assert.throws(() => queue.putSync(value, 0), { name: 'Full' });
            assert.throws(() => queue.putSync(value, 1), { name: 'Full' });
            await assert.rejects(queue.put(value, 0), { name: 'Full' });
            await assert.rejects(queue.put(value, 1), { name: 'Full' });
            const signal = AbortSignal.timeout(1);
            await assert.rejects(queue.put(value, { signal }), { name: 'AbortError' });
          }
          for (const value of bad) {
            assert.throws(() => queue.putSync(value), { code: 'ERR_TRUEFORK_NOT_CLONABLE' });
            await assert.rejects(queue.put(value), { code: 'ERR_TRUEFORK_NOT_CLONABLE' });
          }
        };
        await once();
        const before = countDescriptors();
        for (let i = 0; i < COUNT; i++) await once();
        assert.ok(countDescriptors() <= before);
      }
    },
  },

  'of items that wait to be put when the queue is closed': {
    options: EXPOSE_GC,
    async run() {
      await warmUp();
      const handle = new DupFd(0);
      const queue = new Queue(1);
      queue.putSync(1);
      await assert.rejects(queue.put(handle, 1), { name: 'Full' });
      const before = countDescriptors();
      const waiting = Array.from({ length: COUNT }, () => queue.put(handle));
      queue.close();
      const outcomes = await Promise.allSettled(waiting);
      assert.ok(outcomes.every(({ status }) => status === 'rejected'));
      assert.ok(countDescriptors() <= before);
    },
  },
};
