// Random schedules: a crew of processes does at random what a seed says, and some
// of them are killed. How it comes out depends on the machine, too: a seed brings
// back the schedule, not the accident.
import assert from 'node:assert/strict';
import { _exit, close, fork, kill, pipe, read, waitpid, write } from 'truefork/posix';
import { sleep } from '../support/observe.js';
import { rounds } from '../support/rounds.js';
import { sharedNumbers } from './support.js';

/** How many schedules, and from which seed on: to soak, and to see a failure again. */
const ROUNDS = Number(process.env['TRUEFORK_SCHEDULES'] ?? rounds(400));
const SEED = Number(process.env['TRUEFORK_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** Nobody is stuck so long. */
const STUCK_MS = 15_000;

/** Numbers from a seed: mulberry32, which is in the public domain. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** From 0 on, below 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** Lets a little time pass, with the thread busy or free. */
  async pause(): Promise<void> {
    const way = this.below(4);
    if (way === 0) await sleep(this.below(2));
    if (way === 1) spin(this.fraction() / 5);
    if (way === 2) await Promise.resolve();
  }

  /** Options of a wait that ends in any case, by a timeout or an abort, or need not (undefined). */
  patience(): { timeout?: number; signal?: AbortSignal } | undefined {
    const way = this.below(4);
    if (way === 0) return undefined;
    if (way === 1) return { timeout: this.below(3) };
    const controller = new AbortController();
    const { signal } = controller;
    const abort = (): void => controller.abort();
    if (way === 2) void this.pause().then(abort);
    else setTimeout(abort, this.below(3));
    return { signal };
  }
}

export function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** The outcome of a wait: undefined if it was aborted. */
export async function unlessAborted<T>(wait: Promise<T>): Promise<T | undefined> {
  try {
    return await wait;
  } catch (error) {
    if ((error as Error).name === 'AbortError') return undefined;
    throw error;
  }
}

/** One kind of schedule. */
export interface Plan {
  /** The work of a member of the crew in a round. */
  act(random: Random, member: number): unknown;
  /** Again and again while others are still at it, for those who wait for this process. */
  help?(wasKilled: boolean): void;
  /** When all have done their part, but for the one who was killed. */
  check(wasKilled: boolean): unknown;
}

const MEMBERS = 4;
const FAILED = MEMBERS;

interface Member {
  pid: number;
  orders: number;
}

class Crew {
  readonly #plan: Plan;
  readonly #members: Member[] = [];
  readonly #alive = new Set<number>();
  /** The rounds that each has done, and whether one has failed. */
  readonly #done = sharedNumbers(MEMBERS + 1);

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  async work(): Promise<void> {
    try {
      for (let i = 0; i < MEMBERS; i++) this.#members.push(await this.#hire(i));
      for (let round = 1; round <= ROUNDS; round++) await this.#playRound(round);
    } finally {
      for (const pid of this.#alive) kill(pid, 'SIGKILL');
      for (const pid of this.#alive) waitpid(pid);
    }
  }

  async #playRound(round: number): Promise<void> {
    try {
      await this.#play(round, new Random(SEED + round * 1009));
    } catch (cause) {
      const again = `TRUEFORK_SEED=${SEED} TRUEFORK_SCHEDULES=${round}`;
      throw new Error(`in round ${round} of ${again}`, { cause });
    }
  }

  async #play(round: number, random: Random): Promise<void> {
    for (const { orders } of this.#members) write(orders, Buffer.from(Int32Array.of(round).buffer));
    const victim = random.chance(0.3) ? random.below(MEMBERS) : undefined;
    if (victim !== undefined) {
      spin(random.fraction() * 2);
      const { pid } = this.#members[victim]!;
      kill(pid, 'SIGKILL');
      assert.equal(waitpid(pid)!.signal, 'SIGKILL');
      this.#alive.delete(pid);
    }
    await this.#untilDone(round, victim);
    await this.#plan.check(victim !== undefined);
    if (victim === undefined) return;
    close(this.#members[victim]!.orders);
    this.#members[victim] = await this.#hire(victim);
  }

  async #untilDone(round: number, victim: number | undefined): Promise<void> {
    const end = performance.now() + STUCK_MS;
    const isDone = (i: number): boolean => i === victim || Atomics.load(this.#done, i) === round;
    while (!this.#members.every((_, i) => isDone(i))) {
      assert.equal(this.#done[FAILED], 0, 'see stderr');
      assert.ok(performance.now() < end, 'stuck');
      this.#plan.help?.(victim !== undefined);
      await sleep(0);
    }
  }

  /** In the child it never comes back. */
  async #hire(index: number): Promise<Member> {
    const [orders, own] = pipe();
    const pid = fork();
    if (pid === 0) {
      try {
        for (;;) await this.#obey(orders, index);
      } catch (error) {
        console.error(error);
        this.#done[FAILED] = 1;
        _exit(1);
      }
    }
    close(orders);
    this.#alive.add(pid);
    return { pid, orders: own };
  }

  async #obey(orders: number, index: number): Promise<void> {
    const order = Buffer.alloc(4);
    read(orders, order);
    const round = order.readInt32LE();
    await this.#plan.act(new Random(SEED + round * 1009 + (index + 1) * 31), index);
    Atomics.store(this.#done, index, round);
  }
}

export async function play(plan: Plan): Promise<void> {
  await new Crew(plan).work();
}

/** So long that who plays them is not taken for stuck, in milliseconds. */
export const PLAY_TIMEOUT = 300_000 + ROUNDS * 200;
