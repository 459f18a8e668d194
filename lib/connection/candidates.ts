// Peers that have connected and have yet to show that they know the key: all at the same time, and
// none of them for long.
import { clearTimeout, setTimeout } from '../common/originals.js';
import { Deadline } from '../common/waiting.js';
import { OwnDescriptor } from '../fork/own-descriptor.js';
import { type Binding, Handshake } from './handshake.js';

/** How long a handshake may take, in milliseconds. */
const PATIENCE = 10_000;
/** How many there may be. The one who came first has to go when more come. */
const MOST = 256;

export interface Candidate {
  readonly fd: number;
  /** The event to wait for at the descriptor. */
  readonly event: number;
}

class Guest implements Candidate {
  readonly descriptor: OwnDescriptor;
  readonly handshake: Handshake;
  readonly deadline: Deadline = new Deadline(PATIENCE);
  timer: NodeJS.Timeout | undefined;

  constructor(fd: number, authkey: Uint8Array, binding: Binding | undefined) {
    this.descriptor = new OwnDescriptor(fd);
    this.handshake = new Handshake(fd, 'server', authkey, binding);
  }

  get fd(): number {
    return this.descriptor.fd;
  }

  get event(): number {
    return this.handshake.event;
  }
}

/** Hears what becomes of them. */
export interface Judge {
  /** It knows the key. The descriptor is the judge's. */
  accept(fd: number): void;
  /** It does not. Its descriptor is closed. */
  refuse(error: unknown): void;
}

export class Candidates {
  readonly #authkey: Uint8Array;
  readonly #judge: Judge;
  readonly #binding: Binding | undefined;
  /** In the order in which they came. */
  readonly #guests = new Set<Guest>();

  constructor(authkey: Uint8Array, judge: Judge, binding?: Binding) {
    this.#authkey = authkey;
    this.#judge = judge;
    this.#binding = binding;
  }

  get isEmpty(): boolean {
    return this.#guests.size === 0;
  }

  add(fd: number): void {
    if (this.#guests.size === MOST) this.dropOldest();
    const guest = new Guest(fd, this.#authkey, this.#binding);
    this.#guests.add(guest);
    this.#step(guest);
  }

  /** @returns false if there is none */
  dropOldest(): boolean {
    const [oldest] = this.#guests;
    if (oldest !== undefined) this.#drop(oldest);
    return oldest !== undefined;
  }

  dropAll(): void {
    while (this.dropOldest());
  }

  /** For a thread that waits itself: what for. */
  all(): readonly Candidate[] {
    return [...this.#guests];
  }

  /** How long until the first of them has had its time, in milliseconds. */
  get patience(): number {
    const [oldest] = this.#guests;
    return oldest?.deadline.left ?? Infinity;
  }

  /** Goes on with those who are `ready`, and drops those who have had their time. */
  goOn(ready: readonly Candidate[]): void {
    for (const guest of this.#guests) {
      if (ready.includes(guest)) this.#step(guest);
      else if (guest.deadline.isOver) this.#drop(guest);
    }
  }

  /** Lets the event loop do that from here on. It does not stay alive for them. */
  watch(): void {
    for (const guest of this.#guests) {
      if (guest.timer !== undefined) continue;
      guest.timer = setTimeout(() => this.#expire(guest), guest.deadline.left).unref();
      this.#watch(guest);
    }
  }

  #watch(guest: Guest): void {
    guest.descriptor.watch(guest.event, () => this.#step(guest), false);
  }

  /** Its time is over; but maybe it was us who were slow. */
  #expire(guest: Guest): void {
    this.#step(guest);
    if (this.#guests.has(guest)) this.#drop(guest);
  }

  #drop(guest: Guest): void {
    clearTimeout(guest.timer);
    this.#guests.delete(guest);
    guest.descriptor.close();
  }

  #step(guest: Guest): void {
    const { event, handshake, descriptor } = guest;
    try {
      if (!handshake.step()) {
        if (guest.timer !== undefined && guest.event !== event) this.#watch(guest);
        return;
      }
    } catch (error) {
      this.#drop(guest);
      this.#judge.refuse(error);
      return;
    }
    clearTimeout(guest.timer);
    this.#guests.delete(guest);
    this.#judge.accept(descriptor.release());
  }
}
