// multiprocessing.Barrier.
import { BrokenBarrierError, ProcessError } from '../common/errors.js';
import { inspectBy } from '../common/inspection.js';
import {
  functionOption,
  type NoFunction,
  optionsReader,
  timeoutOption,
} from '../common/options.js';
import { checkReceivers } from '../common/receivers.js';
import { assertInteger } from '../common/validate.js';
import {
  syncTimeout,
  type SyncWaitOptions,
  throwIfAborted,
  type WaitOptions,
  waitOptions,
} from '../common/waiting.js';
import { ChangeWaiters, type Words, wakeAll } from '../futex/change.js';
import { begin, bell, end, lockerId } from '../futex/robust-list.js';
import { SLOTS, WaiterSlots, sizeOfSlots } from '../futex/waiter-slots.js';
import type { Block, PlaceParts } from '../memory/heap.js';
import { receiveObject, sendObject } from '../memory/shared-objects.js';
import { makeShareable } from '../serialize/shareables.js';
import { decode, encode, nextRound, type State, wasReset } from './barrier-state.js';

/** Options of a {@link Barrier}. */
export interface BarrierOptions {
  /** Called in the process that arrives last, before any of them goes on. Default: nothing. */
  action?: () => unknown;
  /** In milliseconds, for waits that do not say. Default: no limit. */
  timeout?: number;
}

const readOptions = optionsReader<BarrierOptions>(
  'a Barrier',
  { action: functionOption, timeout: timeoutOption },
  { expected: 'an object, as in { action, timeout }' },
);

// The barrier's own words. The first two are its state, of which every change is one step: whoever
// is killed or stopped has made it or has not, and keeps nobody waiting.
const ARRIVED = 0;
const ROUND = 1;
const BELL = 2;
/** How often a process has taken a slot: the others then watch it, too. */
const SLOTS_TAKEN = 3;
const WORDS = 4;

/** A note of a slot: one more than the round that its process waits in. */
const SLOT_ROUND = 0;

const MAX_PARTIES = 2 ** 31 - 1;

interface Arrival {
  /** In the order of arrival; undefined if the round was full. */
  index: number | undefined;
  round: number;
  /** The process: what becomes of it is no business of a child that is forked meanwhile. */
  of: number;
}

interface BarrierParts {
  place: PlaceParts;
  parties: number;
  timeout: number;
}

/**
 * A place where processes wait until so many of them have come, as Python's
 * `multiprocessing.Barrier`. Then all go on, and the barrier is closed again.
 *
 * When one of the waits ends early (a timeout, an abort) or its process dies, the barrier breaks:
 * all get a {@link BrokenBarrierError}, and so does everybody who comes until {@link reset}.
 * Python's waits for ever for the dead.
 */
export class Barrier {
  readonly #parties: number;
  readonly #action: (() => unknown) | undefined;
  readonly #timeout: number;
  readonly #slots: WaiterSlots;
  readonly #words: Int32Array;
  readonly #word: BigUint64Array;
  readonly #bell: number;
  readonly #waiters: ChangeWaiters<number>;
  /** How many of this process wait. */
  #waitingHere = 0;

  /** @param parties how many have to come, at least 1 */
  constructor(parties: number, options?: BarrierOptions & NoFunction);
  /** @internal Over memory that is there. */
  constructor(parties: number, options?: BarrierOptions & NoFunction, block?: Block);
  constructor(parties: number, options: BarrierOptions & NoFunction = {}, block?: Block) {
    assertInteger(parties, 'parties', 1, MAX_PARTIES);
    const { action, timeout = Infinity } = readOptions(options);
    this.#parties = parties;
    this.#action = action;
    this.#timeout = Math.max(0, timeout);
    this.#slots = new WaiterSlots(WORDS, block);
    this.#words = this.#slots.extra;
    this.#word = new BigUint64Array(this.#words.buffer, this.#offset(ARRIVED), 1);
    this.#bell = bell(this.#slots.buffer, this.#offset(BELL));
    this.#waiters = new ChangeWaiters<number>(this.#slots.buffer, {
      words: () => this.#whatToWatch(),
      isOver: (round) => this.#isOver(round),
    });
  }

  /** How many have to come. */
  get parties(): number {
    return this.#parties;
  }

  /**
   * Waits until all have come. The last to come calls the action before; what that throws breaks
   * the barrier.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: the barrier's
   * @returns which of them this one was: 0 for the first to come, and so on
   * @throws BrokenBarrierError
   * @throws AbortError
   * @throws ProcessError `ERR_TRUEFORK_TOO_MANY_WAITERS` if more than 124 processes wait
   */
  async wait(options: number | WaitOptions = this.#timeout): Promise<number> {
    const { timeout, signal } = waitOptions(options);
    throwIfAborted(signal);
    for (;;) {
      const arrival = this.#arrive();
      const { index } = arrival;
      if (this.#isLast(index)) {
        await this.#act(arrival);
        return index;
      }
      await this.#stay(arrival, timeout, signal);
      if (index !== undefined) return index;
    }
  }

  /** As {@link wait}, and blocks the thread. Does not wait for a promise of the action's. */
  waitSync(options: number | SyncWaitOptions = this.#timeout): number {
    const timeout = syncTimeout(options);
    for (;;) {
      const arrival = this.#arrive();
      const { index } = arrival;
      if (this.#isLast(index)) {
        this.#actSync(arrival);
        return index;
      }
      this.#staySync(arrival, timeout);
      if (index !== undefined) return index;
    }
  }

  /** Closes the barrier anew. Waits end with a BrokenBarrierError. */
  reset(): void {
    this.#change((state) => nextRound(state, true));
  }

  /** Breaks the barrier, until a {@link reset}. */
  abort(): void {
    this.#change((state) => (state.isBroken ? undefined : { ...state, isBroken: true }));
  }

  /** How many wait at this moment. */
  get nWaiting(): number {
    const { isBroken, arrived } = this.#state;
    return isBroken ? 0 : arrived;
  }

  /** Whether everybody who comes gets a BrokenBarrierError. */
  get broken(): boolean {
    return this.#state.isBroken;
  }

  toString(): string {
    const state = this.broken ? 'broken' : `waiting=${this.nWaiting}`;
    return `<Barrier(parties=${this.parties}, ${state})>`;
  }

  #isLast(index: number | undefined): index is number {
    return index === this.parties - 1;
  }

  get #state(): State {
    return decode(Atomics.load(this.#word, 0));
  }

  /**
   * Makes a change, and has all who wait look.
   *
   * @param next called again if somebody else was faster; undefined: no change
   */
  #change(next: (state: State) => State | undefined): { before: State; isMade: boolean } {
    begin(this.#bell);
    const change = this.#exchange(next);
    wakeAll(this.#slots.buffer, this.#offset(ARRIVED));
    end();
    return change;
  }

  #exchange(next: (state: State) => State | undefined): { before: State; isMade: boolean } {
    for (;;) {
      const word = Atomics.load(this.#word, 0);
      const before = decode(word);
      const after = next(before);
      if (after === undefined) return { before, isMade: false };
      const found = Atomics.compareExchange(this.#word, 0, word, encode(after));
      if (found === word) return { before, isMade: true };
    }
  }

  #arrive(): Arrival {
    this.#takeSlot();
    const { before, isMade } = this.#change((state) => this.#withOneMore(state));
    if (before.isBroken) {
      this.#leaveSlot();
      throw new BrokenBarrierError();
    }
    if (!isMade && this.#waitingHere === 1) this.#slots.store(this.#slots.own!, SLOT_ROUND, 0);
    // If all have come, the last of them is calling the action.
    const index = isMade ? before.arrived : undefined;
    return { index, round: before.round, of: lockerId };
  }

  #withOneMore(state: State): State | undefined {
    if (state.isBroken || state.arrived === this.parties) return undefined;
    // Before it counts: the others would not see that it has died.
    this.#slots.store(this.#slots.own!, SLOT_ROUND, state.round + 1);
    return { ...state, arrived: state.arrived + 1 };
  }

  async #act(arrival: Arrival): Promise<void> {
    try {
      await this.#action?.();
      this.#open(arrival);
    } finally {
      this.#finish(arrival);
    }
  }

  #actSync(arrival: Arrival): void {
    try {
      this.#action?.();
      this.#open(arrival);
    } finally {
      this.#finish(arrival);
    }
  }

  #open(arrival: Arrival): void {
    this.#assertOurs(arrival);
    const { isMade } = this.#change((state) => {
      const isRight = !state.isBroken && state.round === arrival.round;
      return isRight ? nextRound(state, false) : undefined;
    });
    if (!isMade) throw new BrokenBarrierError();
  }

  async #stay(arrival: Arrival, timeout: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#waiters.waitUntil(arrival.round, timeout, signal);
      this.#finish(arrival);
    } catch (error) {
      this.#finish(arrival);
      // A party that leaves when all have come has passed.
      if (!this.#hasPassed(arrival)) throw error;
    }
    this.#judge(arrival);
  }

  #staySync(arrival: Arrival, timeout: number): void {
    this.#waiters.waitUntilSync(arrival.round, timeout);
    this.#finish(arrival);
    this.#judge(arrival);
  }

  /** A party that goes before the round is over breaks the barrier. */
  #finish(arrival: Arrival): void {
    if (arrival.of !== lockerId) return;
    const { index, round } = arrival;
    if (index !== undefined && !this.#isOver(round)) this.#breakRound(round);
    this.#leaveSlot();
  }

  #judge(arrival: Arrival): void {
    this.#assertOurs(arrival);
    const state = this.#state;
    const isOver = state.round !== arrival.round;
    const isUnmet = state.isBroken || arrival.index === undefined;
    if (isOver ? wasReset(state, arrival.round) : isUnmet) throw new BrokenBarrierError();
  }

  #hasPassed({ index, round, of }: Arrival): boolean {
    return of === lockerId && index !== undefined && this.#state.round !== round;
  }

  #assertOurs({ of }: Arrival): void {
    if (of !== lockerId) throw new BrokenBarrierError();
  }

  #breakRound(round: number): void {
    this.#change((state) => {
      const isRight = !state.isBroken && state.round === round;
      return isRight ? { ...state, isBroken: true } : undefined;
    });
  }

  #isOver(round: number): boolean {
    if (this.#hasEnded(round)) return true;
    if (!this.#hasSomebodyDied(round)) return false;
    this.#breakRound(round);
    return this.#hasEnded(round);
  }

  #hasEnded(round: number): boolean {
    const state = this.#state;
    return state.isBroken || state.round !== round;
  }

  #hasSomebodyDied(round: number): boolean {
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.#isIn(slot, round) && !this.#slots.isTaken(slot)) return true;
    }
    return false;
  }

  #isIn(slot: number, round: number): boolean {
    return this.#slots.load(slot, SLOT_ROUND) === round + 1;
  }

  #whatToWatch(): Words {
    const words: number[] = [ARRIVED, BELL, ROUND, SLOTS_TAKEN].flatMap((word) =>
      this.#watch(word),
    );
    // Also those who wait for the next round: one of them may be the only one who was told of a
    // death, and die.
    for (let slot = 0; slot < SLOTS; slot++) {
      if (slot === this.#slots.own) continue;
      for (const word of this.#slots.watch(slot) ?? []) words.push(word);
    }
    return words;
  }

  #watch(word: number): [offset: number, expected: number] {
    return [this.#offset(word), Atomics.load(this.#words, word)];
  }

  #takeSlot(): void {
    // In a forked child none of the waits of its parent go on.
    if (this.#slots.own === undefined) this.#waitingHere = 0;
    const isNew = this.#slots.own === undefined;
    this.#slots.take((slot) => this.#inherit(slot));
    if (isNew) Atomics.add(this.#words, SLOTS_TAKEN, 1);
    this.#waitingHere++;
  }

  /** Nobody else can see any more that the process which had the slot before has died. */
  #inherit(slot: number): void {
    const { round } = this.#state;
    if (this.#isIn(slot, round)) this.#breakRound(round);
  }

  #leaveSlot(): void {
    if (--this.#waitingHere > 0) return;
    this.#slots.store(this.#slots.own!, SLOT_ROUND, 0);
    this.#slots.leave();
  }

  #offset(word: number): number {
    return this.#slots.extra.byteOffset + word * 4;
  }

  static {
    checkReceivers(this, (object) => #parties in object);
    makeShareable<Barrier, BarrierParts>('Barrier', Barrier, {
      toParts(barrier, attachments) {
        const { parties } = barrier;
        if (barrier.#action !== undefined) {
          throw new ProcessError(
            'ERR_TRUEFORK_NOT_SHAREABLE',
            'a barrier with an action cannot be sent: functions cannot',
          );
        }
        const place = sendObject(barrier, barrier.#slots.block, attachments);
        return { place, parties, timeout: barrier.#timeout };
      },
      fromParts({ place, parties, timeout }, delivered) {
        const make = (block: Block): Barrier => new Barrier(parties, { timeout }, block);
        return receiveObject(Barrier, place, sizeOfSlots(WORDS), delivered, make);
      },
    });
  }
}

inspectBy(Barrier);
