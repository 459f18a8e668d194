// multiprocessing.Barrier.
import { inspect } from 'node:util';
import { BrokenBarrierError, ProcessError } from '../errors.js';
import type { PlaceParts } from '../heap.js';
import { native } from '../posix/native.js';
import { makeShareable } from '../shareables.js';
import { receiveObject, sendObject } from '../shared-objects.js';
import { assertFunction, assertInteger } from '../validate.js';
import { type SyncWaitOptions, throwIfAborted, type WaitOptions, waitOptions } from '../waiting.js';
import { Onlookers, type Words } from './change.js';
import { OWNER_DIED } from './outcome.js';
import { begin, bell, end, lockerId } from './robust-list.js';
import { SEATS, Seats, sizeOfSeats } from './seats.js';
import { LOCK_SIZE, SharedLock } from './shared-lock.js';

/** What a {@link Barrier} does and how long it waits. */
export interface BarrierOptions {
  /** Called in the process that arrives last, before any of them goes on. Default: nothing. */
  action?: () => unknown;
  /** In milliseconds, for waits that do not say. Default: no limit. */
  timeout?: number;
}

// The barrier's own words.
/** Changes with everything that those who wait have to know; odd in the middle of that. */
const SIGNAL = 0;
const BELL = 1;
/** How often the barrier has opened or was reset. */
const ROUND = 2;
const ARRIVED = 3;
const IS_BROKEN = 4;
/** Which of the last 32 rounds ended with a reset, a bit each. */
const RESETS = 5;
const WORDS = 6;

/** A note of a seat: one more than the round that its process waits in. */
const SEAT_ROUND = 0;

const EVERYBODY = 2 ** 31 - 1;

function isOdd(word: number): boolean {
  return (word & 1) !== 0;
}

interface Arrival {
  /** In the order of arrival; undefined if the round was full. */
  index: number | undefined;
  round: number;
  /** The process: what becomes of it is no business of a child that is forked meanwhile. */
  of: number;
}

interface BarrierParts {
  places: PlaceParts[];
  parties: number;
  timeout: number;
}

/**
 * A place where processes wait until so many of them have come, as Python's
 * `multiprocessing.Barrier`. Then all go on, and the barrier is closed again.
 *
 * When one of those who wait gives up (a timeout, an abort) or dies, the barrier breaks: all get
 * a {@link BrokenBarrierError}, and so does everybody who comes until {@link reset}. Python's
 * waits for ever for the dead.
 */
export class Barrier {
  readonly #parties: number;
  readonly #action: (() => unknown) | undefined;
  readonly #timeout: number;
  /** Held for each change of the words. */
  readonly #lock = new SharedLock();
  readonly #seats = new Seats(WORDS);
  readonly #words = this.#seats.extra;
  readonly #bell = bell(this.#seats.buffer, this.#offset(BELL));
  readonly #onlookers = new Onlookers(this.#seats.buffer, () => this.#whatToWatch());
  /** How many of this process wait. */
  #waitingHere = 0;

  /** @param parties how many have to come, at least 1 */
  constructor(parties: number, { action, timeout = Infinity }: BarrierOptions = {}) {
    assertInteger(parties, 'parties', 1, EVERYBODY);
    if (action !== undefined) assertFunction(action, 'action');
    this.#parties = parties;
    this.#action = action;
    this.#timeout = waitOptions(timeout).timeout;
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
    const { timeout } = waitOptions(options);
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

  /** Closes the barrier anew. Those who wait get a BrokenBarrierError. */
  reset(): void {
    this.#change(() => this.#endRound(true));
  }

  /** Breaks the barrier, until a {@link reset}. */
  abort(): void {
    this.#change(() => this.#break());
  }

  /** How many wait at this moment. */
  get nWaiting(): number {
    return this.broken ? 0 : Atomics.load(this.#words, ARRIVED);
  }

  /** Whether everybody who comes gets a BrokenBarrierError. */
  get broken(): boolean {
    return Atomics.load(this.#words, IS_BROKEN) !== 0;
  }

  toString(): string {
    const state = this.broken ? 'broken' : `waiting=${this.nWaiting}`;
    return `<Barrier(parties=${this.parties}, ${state})>`;
  }

  #isLast(index: number | undefined): index is number {
    return index === this.parties - 1;
  }

  /** Makes a change, and tells those who wait. */
  #change<T>(make: () => T): T {
    const outcome = this.#lock.acquireSync(Infinity);
    try {
      begin(this.#bell);
      // Whoever died in the middle of a change may have left half of it.
      if (outcome === OWNER_DIED) this.#break();
      // Before and after: whoever is told of a death in between sees that there was a change.
      Atomics.add(this.#words, SIGNAL, isOdd(this.#words[SIGNAL]!) ? 2 : 1);
      const result = make();
      Atomics.add(this.#words, SIGNAL, 1);
      native.wake(this.#seats.buffer, this.#offset(SIGNAL), EVERYBODY);
      end();
      return result;
    } finally {
      this.#lock.release();
    }
  }

  #arrive(): Arrival {
    this.#sitDown();
    try {
      const arrival = this.#change(() => this.#takePlace());
      if (arrival === undefined) throw new BrokenBarrierError();
      return arrival;
    } catch (error) {
      this.#getUp();
      throw error;
    }
  }

  /** @returns undefined if the barrier is broken */
  #takePlace(): Arrival | undefined {
    if (this.broken) return undefined;
    const round = this.#words[ROUND]!;
    // All have come, and the last of them is calling the action.
    const of = lockerId;
    if (this.#words[ARRIVED] === this.parties) return { index: undefined, round, of };
    const index = this.#words[ARRIVED]!;
    this.#seats.store(this.#seats.own!, SEAT_ROUND, (round + 1) | 0);
    this.#words[ARRIVED] = index + 1;
    return { index, round, of };
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
    const { round } = arrival;
    const isOpen = this.#change(() => {
      if (this.broken || this.#words[ROUND] !== round) return false;
      this.#endRound(false);
      return true;
    });
    if (!isOpen) throw new BrokenBarrierError();
  }

  #endRound(isReset: boolean): void {
    const bit = 1 << (this.#words[ROUND]! % 32);
    if (isReset) this.#words[RESETS]! |= bit;
    else this.#words[RESETS]! &= ~bit;
    this.#words[ARRIVED] = 0;
    this.#words[IS_BROKEN] = 0;
    Atomics.store(this.#words, ROUND, (this.#words[ROUND]! + 1) | 0);
  }

  #break(): void {
    Atomics.store(this.#words, IS_BROKEN, 1);
    this.#words[ARRIVED] = 0;
  }

  async #stay(arrival: Arrival, timeout: number, signal: AbortSignal | undefined): Promise<void> {
    const isOver = (): boolean => arrival.of === lockerId && this.#isOver(arrival.round);
    try {
      await this.#onlookers.waitUntil(isOver, timeout, signal);
      this.#finish(arrival);
    } catch (error) {
      this.#finish(arrival);
      // Whoever leaves when all have come has passed.
      if (!this.#hasPassed(arrival)) throw error;
    }
    this.#judge(arrival);
  }

  #staySync(arrival: Arrival, timeout: number): void {
    this.#onlookers.waitUntilSync(() => this.#isOver(arrival.round), timeout);
    this.#finish(arrival);
    this.#judge(arrival);
  }

  /** Whoever goes before the round is over breaks the barrier. */
  #finish(arrival: Arrival): void {
    if (arrival.of !== lockerId) return;
    if (arrival.index !== undefined && !this.#isOver(arrival.round)) this.#giveUp(arrival);
    this.#getUp();
  }

  #judge(arrival: Arrival): void {
    this.#assertOurs(arrival);
    const { index, round } = arrival;
    const isSameRound = Atomics.load(this.#words, ROUND) === round;
    const wasReset = ((this.#words[RESETS]! >>> (round % 32)) & 1) !== 0;
    if (isSameRound ? this.broken || index === undefined : wasReset) {
      throw new BrokenBarrierError();
    }
  }

  #hasPassed({ index, round, of }: Arrival): boolean {
    return of === lockerId && index !== undefined && Atomics.load(this.#words, ROUND) !== round;
  }

  #assertOurs({ of }: Arrival): void {
    if (of !== lockerId) throw new BrokenBarrierError();
  }

  #giveUp({ round, of }: Arrival): void {
    if (of === lockerId) this.#breakRound(round);
  }

  #breakRound(round: number): void {
    this.#change(() => {
      if (this.#words[ROUND] === round) this.#break();
    });
  }

  #isOver(round: number): boolean {
    if (this.#hasEnded(round)) return true;
    if (!this.#lock.isLeft && !this.#hasSomebodyDied(round)) return false;
    this.#breakRound(round);
    return this.#hasEnded(round);
  }

  #hasEnded(round: number): boolean {
    return this.broken || Atomics.load(this.#words, ROUND) !== round;
  }

  #hasSomebodyDied(round: number): boolean {
    for (let seat = 0; seat < SEATS; seat++) {
      if (this.#isIn(seat, round) && !this.#seats.isTaken(seat)) return true;
    }
    return false;
  }

  #isIn(seat: number, round: number): boolean {
    return this.#seats.load(seat, SEAT_ROUND) === ((round + 1) | 0);
  }

  #whatToWatch(): Words {
    const words = [this.#offset(SIGNAL), this.#awaitChange(), this.#offset(BELL), 0];
    // Also those who wait for the next round: one of them may be the only one who was told of a
    // death, and die.
    for (let seat = 0; seat < SEATS; seat++) {
      if (seat === this.#seats.own) continue;
      words.push(...(this.#seats.watch(seat) ?? []));
    }
    return words;
  }

  /**
   * Not in the middle of a change: whoever makes it may die there before this process sleeps on the bell.
   *
   * @returns the signal
   */
  #awaitChange(): number {
    for (;;) {
      const signal = Atomics.load(this.#words, SIGNAL);
      if (!isOdd(signal)) return signal;
      this.#change(() => {});
    }
  }

  #sitDown(): void {
    // In a forked child none of those waits who waited in its parent.
    if (this.#seats.own === undefined) this.#waitingHere = 0;
    this.#seats.take((seat) => this.#inherit(seat));
    this.#waitingHere++;
  }

  /** Nobody else can see any more that the one who sat there before has died. */
  #inherit(seat: number): void {
    const round = Atomics.load(this.#words, ROUND);
    if (this.#isIn(seat, round)) this.#breakRound(round);
  }

  #getUp(): void {
    if (--this.#waitingHere > 0) return;
    this.#seats.store(this.#seats.own!, SEAT_ROUND, 0);
    this.#seats.leave();
  }

  #offset(word: number): number {
    return this.#seats.extra.byteOffset + word * 4;
  }

  static {
    makeShareable<Barrier, BarrierParts>('Barrier', Barrier, {
      takeApart(barrier, luggage) {
        const { parties } = barrier;
        if (barrier.#action !== undefined) {
          throw new ProcessError(
            'ERR_TRUEFORK_NOT_SHAREABLE',
            'a barrier with an action cannot be sent: functions cannot',
          );
        }
        const blocks = [barrier.#lock.block, barrier.#seats.block];
        return { places: sendObject(barrier, blocks, luggage), parties, timeout: barrier.#timeout };
      },
      putTogether({ places, parties, timeout }, delivered) {
        const lengths = [LOCK_SIZE, sizeOfSeats(WORDS)];
        const make = (): Barrier => new Barrier(parties, { timeout });
        return receiveObject(Barrier, places, lengths, delivered, make);
      },
    });
  }
}

Object.defineProperty(Barrier.prototype, inspect.custom, { value: Barrier.prototype.toString });
