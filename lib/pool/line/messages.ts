// The protocol between a pool and a worker. Each message begins with a head of numbers; values are
// behind it (values.ts). Beside the messages there is a ledger in shared memory (ledger.ts),
// because a message of a worker that is busy, or dead, does not come.
//
// From the pool:
//
// - tasks: some tasks that have their function in common, numbered one after the other, in the
//   order in which they are to be begun. From then on the worker has them in hand.
// - recall: the pool has taken back all tasks that were not begun. When, the ledger has said
//   before: this tells the worker that tasks which come behind it are its own again.
// - stop: there will be no more. The worker ends when it has done what it has in hand.
//
// From the worker:
//
// - ready, or failed with an error: its initializer is done. Once, and before anything else.
// - values of items, one after the other, or the error of one: items of a task are reported in
//   their order, each once, and after the ledger has said that they were begun. The last one ends
//   the task, and so does an error, unless the job goes on.
// - grown: its memory is too large. It gets no further tasks.
//
// The ledger has one word that both sides change in one step each: how many tasks were begun, and
// how often tasks were taken back. The pool adds a recall; the worker begins a task only if it has
// read of as many recalls as there were, which it notes in a second word. So a task is either begun
// or taken back, whoever comes first, and when a worker dies the pool knows which of its tasks were
// begun, and how many items of each: those have failed or are tried again, the others are not
// touched and go to another worker.
import { ProcessError } from '../../common/errors.js';

/** The first byte of what the pool says. */
export const Order = { tasks: 1, recall: 2, stop: 3 } as const;
/** The first byte of what the worker says. */
export const Report = { ready: 1, failed: 2, values: 3, error: 4, grown: 5 } as const;

const SPREADS = 1;
const IS_TIMED = 2;
const GOES_ON = 4;

/** Tasks that have the function in common, and numbers one after the other. */
export interface TasksHead {
  /** Whether an item is a list of arguments. */
  spreads: boolean;
  isTimed: boolean;
  /** Whether an item that fails is not the end of its task. */
  goesOn: boolean;
  fn: number;
  /**
   * The number of the input that the items are taken from, if the worker has that since it was
   * forked; or 0.
   */
  input: number;
  /** The number of the first task. */
  number: number;
  /** The place of each task in the ledger. */
  places: number[];
  /** How many items each has. */
  sizes: number[];
  /** Where in the input they begin; only if there is one. */
  firsts: number[];
}

const TASKS_HEAD_BYTES = 16;
const WORD_BYTES = 4;

export function writeTasks(head: TasksHead): Buffer {
  const { places, sizes, firsts } = head;
  const count = sizes.length;
  const bytes = Buffer.allocUnsafe(TASKS_HEAD_BYTES + WORD_BYTES * (2 * count + firsts.length));
  bytes[0] = Order.tasks;
  bytes[1] =
    (head.spreads ? SPREADS : 0) | (head.isTimed ? IS_TIMED : 0) | (head.goesOn ? GOES_ON : 0);
  bytes.writeUInt16LE(count, 2);
  bytes.writeUInt32LE(head.fn, 4);
  bytes.writeUInt32LE(head.input, 8);
  bytes.writeUInt32LE(head.number, 12);
  let at = TASKS_HEAD_BYTES;
  for (const place of places) at = bytes.writeUInt32LE(place, at);
  for (const size of sizes) at = bytes.writeUInt32LE(size, at);
  for (const first of firsts) at = bytes.writeUInt32LE(first, at);
  return bytes;
}

/** @returns the head, and the packed items behind it */
export function readTasks(bytes: Buffer): { head: TasksHead; items: Buffer } {
  const flags = bytes[1]!;
  const count = bytes.readUInt16LE(2);
  const input = bytes.readUInt32LE(8);
  const words: number[] = [];
  const end = TASKS_HEAD_BYTES + WORD_BYTES * count * (input === 0 ? 2 : 3);
  for (let at = TASKS_HEAD_BYTES; at < end; at += WORD_BYTES) words.push(bytes.readUInt32LE(at));
  const head: TasksHead = {
    spreads: (flags & SPREADS) !== 0,
    isTimed: (flags & IS_TIMED) !== 0,
    goesOn: (flags & GOES_ON) !== 0,
    fn: bytes.readUInt32LE(4),
    input,
    number: bytes.readUInt32LE(12),
    places: words.slice(0, count),
    sizes: words.slice(count, 2 * count),
    firsts: words.slice(2 * count),
  };
  return { head, items: bytes.subarray(end) };
}

/** Items of a task that are done. */
export interface ItemsHead {
  kind: number;
  /** The number of the task. */
  number: number;
  /** The first of these items, counted within the task. */
  first: number;
  count: number;
  /** How long they took, in milliseconds. */
  duration: number;
}

const ITEMS_HEAD_BYTES = 24;

export function writeItems({ kind, number, first, count, duration }: ItemsHead): Buffer {
  const bytes = Buffer.allocUnsafe(ITEMS_HEAD_BYTES);
  bytes.writeUInt32LE(kind, 0);
  bytes.writeUInt32LE(number, 4);
  bytes.writeUInt32LE(first, 8);
  bytes.writeUInt32LE(count, 12);
  bytes.writeDoubleLE(duration, 16);
  return bytes;
}

function readItems(kind: number, bytes: Buffer): ItemsReport {
  if (bytes.length < ITEMS_HEAD_BYTES || bytes.readUInt32LE(0) !== kind) throw unreadable();
  const head: ItemsHead = {
    kind,
    number: bytes.readUInt32LE(4),
    first: bytes.readUInt32LE(8),
    count: bytes.readUInt32LE(12),
    duration: bytes.readDoubleLE(16),
  };
  const isTime = Number.isFinite(head.duration) && head.duration >= 0;
  const isCount = kind === Report.values ? head.count > 0 : head.count === 1;
  if (!isTime || !isCount) throw unreadable();
  return { kind: 'items', head, packed: bytes.subarray(ITEMS_HEAD_BYTES) };
}

interface ItemsReport {
  kind: 'items';
  head: ItemsHead;
  packed: Buffer;
}

/** A message of a worker. The bytes of values and errors are not looked at yet. */
export type WorkerReport =
  | { kind: 'ready' }
  | { kind: 'grown' }
  | { kind: 'failed'; packed: Buffer }
  | ItemsReport;

/** Not what a worker of this pool says: somebody else has written into its line. */
export function unreadable(): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_BAD_MESSAGE',
    'something else than the pool has written to the socket between a worker and its pool',
  );
}

/** @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE` */
export function readReport(bytes: Buffer): WorkerReport {
  const kind = bytes[0];
  switch (kind) {
    case Report.ready:
    case Report.grown:
      if (bytes.length !== 1) throw unreadable();
      return { kind: kind === Report.ready ? 'ready' : 'grown' };
    case Report.failed:
      return { kind: 'failed', packed: bytes.subarray(1) };
    case Report.values:
    case Report.error:
      return readItems(kind, bytes);
    default:
      throw unreadable();
  }
}
