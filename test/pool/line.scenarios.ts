// The line between a pool and a worker, where something else writes to it than these two: the
// worker is lost, and nothing else.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { closeSync, fstatSync, openSync, readdirSync, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { inChild, Pool, type ProcessError, Value, type WorkerLostError } from 'truefork';
import { dup, sendFds } from 'truefork/posix';
import { Report, writeItems, type ItemsHead } from '../../lib/pool/line/messages.js';
import { pack } from '../../lib/pool/line/values.js';
import { sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { caught, finish, hang, leavesNothing, range, square } from './support.js';

/** Things that a task can do without any right to them. */
function sockets(): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    try {
      if (fd > 2 && fstatSync(fd).isSocket()) found.push(fd);
    } catch {
      // that of the directory
    }
  }
  return found;
}

function writeToAll(bytes: Uint8Array): void {
  for (const fd of sockets()) writeSync(fd, bytes);
}

async function assertUnreadable(
  promise: PromiseLike<unknown>,
  code = 'ERR_TRUEFORK_BAD_MESSAGE',
): Promise<void> {
  const error = (await caught(promise)) as WorkerLostError;
  assert.equal(error.name, 'WorkerLostError', error.stack);
  assert.equal(error.code, 'ERR_TRUEFORK_WORKER_LOST');
  assert.match(error.message, /its line was unreadable: /);
  assert.equal((error.cause as ProcessError).code, code);
}

const NONSENSE: Uint8Array[] = [
  Buffer.alloc(64, 0xff),
  Buffer.alloc(64),
  Buffer.from('a line for a log\n'.repeat(10)),
  Buffer.alloc(100_000, 1),
  crypto.randomBytes(300),
];

const MARK = Buffer.from('the mark');

/** As a task writes them that knows the mark of its line. */
function frame(parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const header = Buffer.alloc(8);
  header.writeUInt32LE(body.length);
  return Buffer.concat([header, MARK, body]);
}

/** All lines of this process get the same one. */
function knowTheMark(): void {
  crypto.randomBytes = (size: number) => {
    assert.equal(size, MARK.length);
    return MARK;
  };
  syncBuiltinESMExports();
}

const HEAD: ItemsHead = { kind: Report.values, number: 1, first: 0, count: 1, duration: 1 };
const VALUE = pack(['forged'], false).parts;

/** Reports that no worker gives that is at its second task, whose number is 1. */
const FORGED: Record<string, Uint8Array[]> = {
  nothing: [],
  'of no kind': [Buffer.of(0)],
  'of another kind': [Buffer.of(99, 1, 2, 3)],
  'ready again': [Buffer.of(Report.ready)],
  'ready, and more': [Buffer.of(Report.ready, 1)],
  'failed to start': [Buffer.of(Report.failed), ...VALUE],
  'a short head': [writeItems(HEAD).subarray(0, 20)],
  'a kind of four bytes': [writeItems({ ...HEAD, kind: Report.values + 256 }), ...VALUE],
  'an item that is not next': [writeItems({ ...HEAD, first: 1 }), ...VALUE],
  'an item that does not exist': [writeItems({ ...HEAD, first: 2 ** 32 - 1 }), ...VALUE],
  'too many items': [writeItems({ ...HEAD, count: 2 ** 32 - 1 }), ...VALUE],
  'no items': [writeItems({ ...HEAD, count: 0 }), ...VALUE],
  'two errors': [writeItems({ ...HEAD, kind: Report.error, count: 2 }), ...VALUE],
  'no time': [writeItems({ ...HEAD, duration: Number.NaN }), ...VALUE],
  'a time that is over': [writeItems({ ...HEAD, duration: -1 }), ...VALUE],
  'a time without end': [writeItems({ ...HEAD, duration: Infinity }), ...VALUE],
};

export const scenarios: Scenarios = {
  'nonsense is the loss of the worker': () =>
    leavesNothing(async () => {
      const pool = new Pool(2);
      for (const bytes of NONSENSE) {
        const other = pool.applyAsync((x: number) => sleep(50).then(() => x), [5]);
        await assertUnreadable(pool.apply(() => writeToAll(bytes)));
        assert.equal(await other, 5);
        assert.equal(await pool.apply(square, [4]), 16);
      }
      assert.equal(pool.statistics().lost, NONSENSE.length);
      await finish(pool);
    }),

  'so is less than the head of a message, once the next one comes': () =>
    leavesNothing(async () => {
      const pool = new Pool(1);
      for (const length of [1, 7, 8, 9, 15, 16, 17]) {
        await assertUnreadable(pool.apply(() => writeToAll(Buffer.alloc(length))));
      }
      await finish(pool);
    }),

  async 'so is nonsense of a task that goes on'() {
    const pool = new Pool(1);
    await assertUnreadable(
      pool.apply(() => {
        writeToAll(Buffer.alloc(64, 1));
        return hang();
      }),
    );
    await finish(pool);
  },

  async 'and of one that is between two items'() {
    const pool = new Pool(1);
    const work = async (x: number): Promise<number> => {
      await sleep(20);
      if (x !== 2) return x;
      writeToAll(Buffer.from('nonsense nonsense'));
      return hang();
    };
    const outcomes = await pool.map(work, range(5), { settle: true, chunksize: 5 });
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
    );
    await finish(pool);
  },

  'without the event loop': () => {
    const pool = new Pool(1);
    const work = (): void => writeToAll(Buffer.alloc(64, 0xff));
    assert.throws(() => pool.applySync(work), { code: 'ERR_TRUEFORK_WORKER_LOST' });
    assert.equal(pool.applySync(square, [4]), 16);
    pool.close();
    assert.equal(pool.joinSync(10_000), true);
  },

  async 'a task runs again'() {
    const runs = new Value('i');
    const pool = new Pool(1);
    const work = (): number => {
      if (runs.add(1) === 0) writeToAll(Buffer.alloc(64, 0xff));
      return runs.value;
    };
    assert.equal(await pool.apply(work, [], { retries: 1 }), 2);
    await finish(pool);
  },

  async 'workers that cannot say that they are ready break the pool'() {
    const initializer = (): Promise<never> => {
      writeToAll(Buffer.alloc(64, 0xff));
      return hang();
    };
    const pool = new Pool({ processes: 1, initializer });
    const error = await caught(pool.apply(square, [4]));
    assert.equal(error.name, 'BrokenPoolError');
    assert.equal((error.cause as ProcessError).code, 'ERR_TRUEFORK_BAD_MESSAGE');
    assert.equal(await pool.join(), true);
  },

  'descriptors that come along are closed': () =>
    leavesNothing(async () => {
      const pool = new Pool(1);
      const work = (): void => {
        const fd = openSync('/dev/null', 'r');
        for (const socket of sockets()) sendFds(socket, [fd, fd], Buffer.alloc(64, 1));
      };
      for (let i = 0; i < 10; i++) await assertUnreadable(pool.apply(work));
      await finish(pool);
    }),

  async 'a worker that closes its line and lives on'() {
    const pool = new Pool(1);
    const work = (): Promise<never> => {
      for (const fd of sockets()) closeSync(fd);
      return hang();
    };
    const error = (await caught(pool.apply(work))) as WorkerLostError;
    assert.equal(error.signal, 'SIGKILL');
    await finish(pool);
  },

  async 'a worker that cannot write to its line any more'() {
    const pool = new Pool(1);
    const work = (): void => {
      for (const fd of sockets()) {
        dup(fd); // without the end of it
        closeSync(fd);
      }
    };
    const error = (await caught(pool.apply(work))) as WorkerLostError;
    assert.deepEqual([error.name, error.exitcode], ['WorkerLostError', 1]);
    await finish(pool);
  },

  async 'messages that are none of a worker'() {
    knowTheMark();
    const pool = new Pool(1);
    for (const [name, parts] of Object.entries(FORGED)) {
      await pool.apply(writeToAll, [Buffer.alloc(0)]);
      const error = await caught(pool.apply(writeToAll, [frame(parts)]));
      assert.equal((error as ProcessError).code, 'ERR_TRUEFORK_WORKER_LOST', name);
    }
    await finish(pool);
  },

  async 'values of tasks that it does not have are no values'() {
    knowTheMark();
    const pool = new Pool(1);
    const forged = frame([writeItems({ ...HEAD, number: 2 ** 24 - 1 }), ...VALUE]);
    const work = (): string => {
      writeToAll(forged);
      return 'right';
    };
    assert.equal(await pool.apply(work), 'right');
    assert.equal(await pool.apply(square, [4]), 16);
    await finish(pool);
  },

  async 'a value is there once'() {
    knowTheMark();
    const pool = new Pool(1);
    const forged = frame([writeItems({ ...HEAD, number: 0 }), ...VALUE]);
    // The outcome of the task is its own; what comes after that is nobody's.
    assert.equal(await pool.apply(() => writeToAll(Buffer.concat([forged, forged]))), 'forged');
    assert.equal(await pool.apply(square, [4]), 16);
    await finish(pool);
  },

  async 'a value that cannot be had is that of its task'() {
    knowTheMark();
    const pool = new Pool(1);
    await pool.apply(writeToAll, [Buffer.alloc(0)]);
    const lists = [
      pack([1, 2], false).parts, // too many
      [Buffer.of(7)],
      [Buffer.of(1, 0, 1, 2, 3)],
      [],
      others([['__proto__', 'polluted', 2]]),
      others([[0, '__proto__', 2]]),
      others([[2 ** 31, -1, 2]]),
      others([[0, 7, 2]]),
      others('no list'),
      others([null]),
    ];
    for (const [number, list] of lists.entries()) {
      const forged = frame([writeItems({ ...HEAD, number: number + 1 }), ...list]);
      const error = (await caught(pool.apply(writeToAll, [forged]))) as ProcessError;
      assert.equal(error.code, 'ERR_TRUEFORK_BAD_MESSAGE', `${number}`);
      assert.equal(Object.hasOwn(Array.prototype, 'polluted'), false);
      assert.equal('polluted' in {}, false);
    }
    await finish(pool);
  },

  'inChild: nonsense is the loss of the child': () =>
    leavesNothing(async () => {
      for (const bytes of NONSENSE) {
        const error = (await caught(inChild(() => writeToAll(bytes)))) as WorkerLostError;
        assert.equal(error.name, 'WorkerLostError', error.stack);
      }
      // It would go on for ever.
      const evil = (): Promise<never> => {
        writeToAll(Buffer.alloc(64, 0xff));
        return hang();
      };
      await assertUnreadable(inChild(evil), 'ERR_TRUEFORK_BAD_LENGTH');
      assert.equal(await inChild(square, 4), 16);
    }),
};

/** A list of one list, and what stands behind it, by these places. */
function others(places: unknown): Uint8Array[] {
  const [form, body] = pack([[[undefined]], places], false).parts as [Buffer, Buffer];
  const head = Buffer.alloc(6);
  head[0] = 2;
  head.writeUInt32LE(body.length + 1, 1);
  head[5] = form[1]!;
  return [head, body, Buffer.of(1, 0x61)];
}
