// Where the system refuses calls that locks and shared memory are made with.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { constants } from 'node:fs';
import {
  Barrier,
  BoundedSemaphore,
  Condition,
  Event,
  inChild,
  JoinableQueue,
  Lock,
  Pipe,
  Pool,
  Process,
  Queue,
  RawArray,
  RLock,
  Semaphore,
  SharedArray,
  SimpleQueue,
  Value,
} from 'truefork';
import * as posix from 'truefork/posix';
import { commandOf } from '../support/programs.js';
import { refusing, type SystemCall } from '../support/refusing.js';
import type { Scenario, Scenarios } from '../support/scenarios.js';

/** Runs one of `inSandbox` with those calls refused, in both ways. */
function where(calls: SystemCall[], name: keyof typeof inSandbox): Scenario {
  return {
    run() {
      for (const errno of ['EPERM', 'ENOSYS'] as const) {
        const args = refusing(calls, errno, commandOf(name));
        const options = { encoding: 'utf8', timeout: 30_000, killSignal: 'SIGKILL' } as const;
        const { status, signal, stderr, stdout } = spawnSync('python3', args, options);
        const context = `${errno}: ${stdout}${stderr}`;
        assert.deepEqual([status, signal, stderr], [0, null, ''], context);
      }
    },
  };
}

async function worksWithoutLocks(): Promise<void> {
  assert.equal(await inChild(() => 7), 7);
  const pool = new Pool(2);
  assert.deepEqual(await pool.map((x: number) => 2 * x, [1, 2, 3]), [2, 4, 6]);
  pool.terminate();
  await pool.join();
  const [left, right] = Pipe();
  const child = new Process({ target: () => left.send('hello') });
  child.start();
  assert.equal(await right.recv(), 'hello');
  assert.equal(await child.join(), 0);
  const array = new RawArray('i', 3);
  array[1] = 5;
  assert.equal(await inChild(() => array[1]), 5);
}

async function worksWithLocks(): Promise<void> {
  const lock = new Lock();
  const child = new Process({
    target() {
      lock.acquireSync();
      process.kill(process.pid, 'SIGKILL');
    },
  });
  child.start();
  assert.equal(await child.join(), -9);
  assert.equal(await lock.acquire(10_000), true);
  assert.equal(lock.recovered, true);
  const queue = new Queue<number>();
  const event = new Event();
  const putting = new Process({
    async target() {
      await event.wait();
      await queue.put(5);
    },
  });
  putting.start();
  const value = queue.get(10_000);
  event.set();
  assert.equal(await value, 5);
  assert.equal(await putting.join(), 0);
}

const LOCKS: (() => unknown)[] = [
  () => new Lock(),
  () => new RLock(),
  () => new Condition(),
  () => new Semaphore(1),
  () => new BoundedSemaphore(1),
  () => new Event(),
  () => new Barrier(2),
  () => new Queue(),
  () => new SimpleQueue(),
  () => new JoinableQueue(),
  () => new Value('i', 1),
  () => new SharedArray('i', 1),
];

/** The number of each of them, and that which is sent instead. */
const SHAREABLE: [string, () => unknown][] = [
  ['Lock', () => new Lock()],
  ['Condition', () => new Condition()],
  ['Event', () => new Event()],
  ['Queue', () => new Queue()],
  ['SimpleQueue', () => new SimpleQueue()],
  ['RawArray', () => new RawArray('i', 1)],
  ['SharedArray', () => new SharedArray('i', 100_000, { lock: false })],
  ['Value', () => new Value('i', 1)],
];

const inSandbox = {
  async 'all works'() {
    await worksWithoutLocks();
    await worksWithLocks();
  },

  async 'there are no locks'() {
    await worksWithoutLocks();
    for (const make of LOCKS) {
      assert.throws(
        make,
        { code: 'ERR_TRUEFORK_UNSUPPORTED', message: /set_robust_list/ },
        String(make),
      );
    }
    assert.equal(new Value('i', 3, { lock: false }).value, 3);
  },

  async 'nothing can be sent'() {
    await worksWithoutLocks();
    await worksWithLocks();
    const [connection] = Pipe();
    for (const [name, make] of SHAREABLE) {
      assert.throws(
        () => connection.sendSync(make()),
        {
          code: 'ERR_TRUEFORK_NOT_SHAREABLE',
          message: /refuses memfd_create\(2\).*(EPERM|ENOSYS)/,
        },
        name,
      );
    }
  },

  async 'all can be sent'() {
    await worksWithLocks();
    const [left, right] = Pipe();
    for (const [name, make] of SHAREABLE) {
      left.sendSync(make());
      assert.equal(typeof right.recvSync(), 'object', name);
    }
  },
};

const { O_CREAT, O_RDWR, O_TRUNC, O_WRONLY, O_APPEND, O_DIRECTORY, O_EXCL } = constants;
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

const tested: Scenarios = {
  'without get_robust_list(2)': where(['get_robust_list'], 'all works'),
  'without robust lists': where(['get_robust_list', 'set_robust_list'], 'there are no locks'),
  'without memfd_create(2)': where(['memfd_create'], 'nothing can be sent'),
  'without getrlimit(2)': where(['getrlimit'], 'all can be sent'),
  'without futex_waitv(2)': where(['futex_waitv'], 'all works'),
  'without pidfds': where(['pidfd_open', 'pidfd_send_signal'], 'all works'),
  'without membarrier(2)': where(['membarrier'], 'all works'),

  'only documented flags'() {
    const name = `/truefork-test-${process.pid}`;
    const sem = posix.semOpen(name, O_CREAT | O_EXCL, 0o600, 1);
    for (const flags of [O_TRUNC, O_CREAT | O_TRUNC, O_RDWR, O_APPEND, O_DIRECTORY, 2 ** 30]) {
      assert.throws(() => posix.semOpen(name, flags), OUT_OF_RANGE);
    }
    assert.equal(posix.semTryWait(sem), true);
    posix.semUnlink(name);
    for (const flags of [O_WRONLY, O_RDWR | O_APPEND, O_DIRECTORY, O_CREAT | O_RDWR | (2 ** 30)]) {
      assert.throws(() => posix.shmOpen(name, flags), OUT_OF_RANGE);
    }
    const fixed = 0x10;
    const growsDown = 0x100;
    for (const flag of [fixed, growsDown, 2 ** 30]) {
      const flags = posix.MAP_PRIVATE | posix.MAP_ANONYMOUS | flag;
      assert.throws(() => posix.mmap(4096, posix.PROT_READ, flags), OUT_OF_RANGE);
    }
    assert.throws(() => posix.mmap(4096, posix.PROT_READ | 4), OUT_OF_RANGE);
    assert.throws(() => posix.mmap(4096, 2 ** 30), OUT_OF_RANGE);
  },
};

export const tests: Scenarios = tested;
export const scenarios: Scenarios = { ...tested, ...inSandbox };
