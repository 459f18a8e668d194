// Descriptors and the like that go with items of a queue, and wait in this process until these are
// taken: they are given back when no process has the queue any more.
//
// The kernel knows when that is. All who have the queue, as forks or because it was sent to them,
// have one open file in common, through the mapping. It gets a shared lock (flock(2)), which goes
// when the last of them is gone, however that ends; a witness, another open file over the same
// memory, can get the exclusive one only then.
import { closeSync, openSync } from 'node:fs';
import { clearTimeout, setTimeout } from '../common/originals.js';
import { onForkedChild } from '../common/per-process.js';
import { nativeIo } from '../native/io.js';
import { type Ticket, TicketGroup } from '../serialize/fd-broker.js';

/** How long to wait before looking again whether others still have the queue, in milliseconds. */
const FIRST_WAIT_MS = 10;
const MAX_WAIT_MS = 1000;

interface Left {
  readonly group: TicketGroup;
  readonly witness: number;
}

/** Of queues that this process has, and of those that it has not. */
const kept = new Set<Left>();
const left = new Set<Left>();
let timer: NodeJS.Timeout | undefined;

/** The parent gives back what waits in the parent. */
onForkedChild(() => {
  for (const { witness } of [...kept, ...left]) closeSync(witness);
  kept.clear();
  left.clear();
  timer = undefined;
});

function isGone({ group, witness }: Left): boolean {
  return group.isEmpty || nativeIo.lockFile(witness, true) === 0;
}

function giveBack(entry: Left): void {
  left.delete(entry);
  entry.group.revoke();
  closeSync(entry.witness);
}

function look(wait: number): void {
  timer = undefined;
  for (const entry of left) if (isGone(entry)) giveBack(entry);
  if (left.size > 0) lookLater(wait * 2);
}

/** Nobody waits for that: the end of this process gives back everything. */
function lookLater(wait: number): void {
  timer ??= setTimeout(look, wait, Math.min(wait, MAX_WAIT_MS / 2)).unref();
}

const collected = new FinalizationRegistry<Left>((entry) => {
  if (!kept.delete(entry)) return; // the parent's
  left.add(entry);
  clearTimeout(timer);
  timer = undefined;
  lookLater(FIRST_WAIT_MS);
});

/** Of one queue, in this process. */
export class Untaken {
  readonly #descriptor: () => number;
  #entry: Left | undefined;

  /** @param descriptor that of the queue's memory; negative: none */
  constructor(descriptor: () => number) {
    this.#descriptor = descriptor;
  }

  /** An item with this ticket is on its way into the queue. */
  add(ticket: Ticket): void {
    if (this.#entry === undefined || !kept.has(this.#entry)) this.#entry = this.#begin();
    this.#entry?.group.add(ticket);
  }

  /** An item was not put after all. */
  forgetIfEmpty(): void {
    const entry = this.#entry;
    if (entry === undefined || !entry.group.isEmpty || !kept.delete(entry)) return;
    this.#entry = undefined;
    closeSync(entry.witness);
  }

  /**
   * Without a descriptor, or where there is no /proc, nobody can know; it waits for the end of this
   * process.
   */
  #begin(): Left | undefined {
    const fd = this.#descriptor();
    if (fd < 0 || nativeIo.lockFile(fd, false) < 0) return undefined;
    let witness: number;
    try {
      witness = openSync(`/proc/self/fd/${fd}`, 'r');
    } catch {
      return undefined;
    }
    const entry = { group: new TicketGroup(), witness };
    kept.add(entry);
    collected.register(this, entry);
    return entry;
  }
}
