// Messages between a pool and a worker with something wrong in them: 100,000 in all. Each is read,
// or is the loss of that worker; none is an exception, a hang, or a leak.
import assert from 'node:assert/strict';
import { fstatSync, readdirSync, writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { inChild, Pool, type ProcessError, RawArray } from 'truefork';
import { close, socketpair } from 'truefork/posix';
import { Hand } from '../../lib/pool/crew/hand.js';
import { Task, type Job } from '../../lib/pool/jobs/job.js';
import { readReport, Report, writeItems } from '../../lib/pool/line/messages.js';
import { pack, unpack } from '../../lib/pool/line/values.js';
import { makeMark, Wire } from '../../lib/pool/line/wire.js';
import { corpus, forSeeds, fuzzOptions, make, Random } from '../support/fuzzing.js';
import { countDescriptors, countSharedMappings } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { finish, square } from './support.js';

const TASKS = 4;
const ITEMS = 3;
const RUNNER = { name: 'a worker', pid: 1 };

const VALUES: unknown[][] = [
  [1],
  ['text', { a: [1, 2, { b: null }] }],
  [new Error('1', { cause: new TypeError('2') })],
  [Buffer.alloc(20_000, 1), 2, new RangeError('3')],
  [new Map([[1, new Set([2])]]), 10n, new Date(0), /x/g, undefined],
  [new Float64Array(3), new DataView(new ArrayBuffer(8))],
  [{ shared: new RawArray('i', 3) }],
];

/** As the other end of the line writes it. */
function frame(mark: Buffer, parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const header = Buffer.alloc(8);
  header.writeUInt32LE(body.length);
  return Buffer.concat([header, mark, body]);
}

function packed(list: readonly unknown[]): Buffer {
  return Buffer.concat(pack(list, false).parts);
}

const PACKED = VALUES.map(packed);

/** Reports that a worker may give of its tasks, in any order. */
function reports(mark: Buffer): Buffer[] {
  const heads = [Report.ready, Report.grown].map((kind) => [Buffer.of(kind)]);
  const failed = [Buffer.of(Report.failed), PACKED[2]!];
  const items = Array.from({ length: TASKS * ITEMS }, (_, i) => {
    const head = { number: Math.floor(i / ITEMS), first: i % ITEMS, count: 1, duration: i };
    const isValue = i % 4 > 0;
    const kind = isValue ? Report.values : Report.error;
    return [writeItems({ kind, ...head }), isValue ? PACKED[0]! : PACKED[2]!];
  });
  return [...heads, failed, ...items].map((parts) => frame(mark, parts));
}

/** With something wrong in it that the mark does not tell. */
function spoil(bytes: Buffer, random: Random): Buffer {
  const spoilt = Buffer.from(bytes);
  for (let i = random.below(4); i > 0; i--) {
    const at = random.below(2) === 0 ? 16 + random.below(24) : random.below(bytes.length);
    if (at < bytes.length) spoilt[at] = random.pick([0, 1, 2, 3, 4, 5, 127, 128, 255]);
  }
  return spoilt;
}

/** The outcomes of the items, one each at most. */
class Outcomes {
  readonly #seen = new Set<number>();

  add(first: number, count: number): void {
    for (let item = first; item < first + count; item++) {
      assert.ok(item >= 0 && item < TASKS * ITEMS, `item ${item}`);
      assert.ok(!this.#seen.has(item), `item ${item} twice`);
      this.#seen.add(item);
    }
  }
}

function fakeJob(goesOn: boolean, outcomes: Outcomes): Job {
  const job: Pick<Job, 'goesOn' | 'timeout' | 'values' | 'error'> = {
    goesOn,
    timeout: Infinity,
    values: (task, list, first) => outcomes.add(task.first + first, list.length),
    error: (task, item) => {
      outcomes.add(task.first + item, goesOn ? 1 : task.size - item);
      return goesOn;
    },
  };
  return job as Job;
}

/** A worker that has begun its tasks. */
function fullHand(job: Job): Hand {
  const hand = new Hand();
  for (let i = 0; i < TASKS; i++) hand.give(new Task(job, i * ITEMS, ITEMS));
  const tasks = hand.takeOutgoing();
  for (const task of tasks) hand.ledger.beginItem(hand.place(task), 0, false);
  hand.enter(tasks);
  for (const _ of tasks) assert.ok(hand.ledger.begin());
  return hand;
}

function assertClear(error: unknown): void {
  const { code } = error as ProcessError;
  // The second: there is no memory for a message of that length.
  const isClear = code === 'ERR_TRUEFORK_BAD_MESSAGE' || error instanceof RangeError;
  assert.ok(isClear, inspect(error));
}

/** Reads what came, as Worker does. */
function hear(bytes: Buffer, mark: Buffer, hand: Hand): void {
  const [ours, theirs] = socketpair();
  const wire = new Wire(ours, mark);
  try {
    writeSync(theirs, bytes);
    wire.read((message) => {
      const report = readReport(message);
      if (report.kind === 'items') hand.receive(report.head, report.packed, RUNNER);
    });
  } catch (error) {
    assertClear(error);
    assert.ok(wire.hasEnded);
  } finally {
    wire.close();
    close(theirs);
  }
}

function assertUnpolluted(): void {
  assert.deepEqual(Object.keys(Object.prototype), []);
  assert.deepEqual(Object.keys(Array.prototype), []);
  assert.equal(Object.getPrototypeOf([]), Array.prototype);
}

/** Runs `test` so often, and asserts that it leaves nothing. */
async function fuzz(count: number, test: (random: Random) => Promise<void>): Promise<void> {
  await test(new Random(0));
  const descriptors = countDescriptors();
  const mappings = countSharedMappings();
  await forSeeds(count, test);
  assertUnpolluted();
  assert.ok(countDescriptors() <= descriptors + 1, `descriptors: ${descriptors} before`);
  assert.ok(countSharedMappings() <= mappings + 1, `mappings: ${mappings} before`);
}

function writeToAll(bytes: Uint8Array): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    try {
      if (fd > 2 && fstatSync(fd).isSocket()) writeSync(fd, bytes);
    } catch {
      // that of the directory, or the pool has gone already
    }
  }
}

export const scenarios: Scenarios = {
  'what a worker says': {
    run: () =>
      fuzz(5000, async (random) => {
        const mark = makeMark();
        const hand = fullHand(fakeJob(random.below(2) === 0, new Outcomes()));
        const seeds = reports(mark); // fifteen messages, of which each may be spoilt
        const isKnown = random.below(2) === 0;
        const bytes = isKnown
          ? Buffer.concat(seeds.map((seed) => spoil(seed, random)))
          : make(seeds, random);
        hear(bytes, mark, hand);
        assert.ok(hand.held >= 0 && hand.held <= TASKS);
        assert.ok(hand.waiting === 0);
        const { begun, untouched } = hand.empty();
        assert.equal(untouched.length, 0);
        for (const { task, items } of begun) assert.ok(task.reported < ITEMS && items <= ITEMS);
        hand.ledger.close();
      }),
    options: fuzzOptions,
  },

  values: {
    run: () =>
      fuzz(61_000, async (random) => {
        const index = random.below(PACKED.length);
        const { length } = VALUES[index]!;
        const bytes = random.below(2) === 0 ? make(PACKED, random) : spoil(PACKED[index]!, random);
        try {
          assert.equal(unpack(bytes, length).length, length);
        } catch (error) {
          const { code } = error as ProcessError;
          assert.match(code, /^ERR_TRUEFORK_(BAD_MESSAGE|HANDLE_LOST)$/, inspect(error));
        }
      }),
    options: fuzzOptions,
  },

  'workers that write to their line': {
    async run() {
      const pool = new Pool(2);
      const seeds = reports(makeMark());
      await pool.apply(writeToAll, [Buffer.of(1)]).catch(() => {});
      await fuzz(500, async (random) => {
        const [outcome] = await Promise.allSettled([pool.apply(writeToAll, [make(seeds, random)])]);
        if (outcome.status === 'rejected') {
          assert.equal(outcome.reason.code, 'ERR_TRUEFORK_WORKER_LOST', inspect(outcome.reason));
        }
        assert.equal((await pool.apply(square, [random.below(9)])) >= 0, true);
      });
      await finish(pool);
    },
    options: fuzzOptions,
  },

  'children that write to their pipe': {
    run: () =>
      fuzz(250, async (random) => {
        const bytes = make(corpus('frames'), random);
        const [outcome] = await Promise.allSettled([inChild(() => writeToAll(bytes))]);
        if (outcome.status === 'fulfilled') return;
        assert.match(
          outcome.reason.code,
          /^ERR_TRUEFORK_(WORKER_LOST|BAD_MESSAGE|HANDLE_LOST)$/,
          inspect(outcome.reason),
        );
      }),
    options: fuzzOptions,
  },
};
