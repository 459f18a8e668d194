// Peers that have connected and have yet to show that they know the key: all at the same time, and
// none of them for long.
import { clearTimeout, setTimeout } from '../common/originals.js';
import { Deadline } from '../common/waiting.js';
import { OwnDescriptor } from '../fork/own-descriptor.js';
import { type Binding, Handshake } from './handshake.js';

/** How long a handshake may take, in milliseconds. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** How many there may be. The one who came first has to go when more come. */
const MAX_PENDING_PEERS = 256;

/** An event to wait for at a descriptor. */
export interface FdEvent {
  readonly fd: number;
  /** READABLE or WRITABLE. */
  readonly event: number;
}

class PendingPeer implements FdEvent {
  readonly descriptor: OwnDescriptor;
  readonly handshake: Handshake;
  readonly deadline: Deadline = new Deadline(HANDSHAKE_TIMEOUT_MS);
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

/** Called with what becomes of them. */
export interface HandshakeObserver {
  /** It knows the key. The descriptor is the observer's. */
  accept(fd: number): void;
  /** It does not. Its descriptor is closed. */
  refuse(error: unknown): void;
}

export class PendingPeers {
  readonly #authkey: Uint8Array;
  readonly #observer: HandshakeObserver;
  readonly #binding: Binding | undefined;
  /** In the order in which they came. */
  readonly #peers = new Set<PendingPeer>();

  constructor(authkey: Uint8Array, observer: HandshakeObserver, binding?: Binding) {
    this.#authkey = authkey;
    this.#observer = observer;
    this.#binding = binding;
  }

  get isEmpty(): boolean {
    return this.#peers.size === 0;
  }

  add(fd: number): void {
    if (this.#peers.size === MAX_PENDING_PEERS) this.dropOldest();
    const peer = new PendingPeer(fd, this.#authkey, this.#binding);
    this.#peers.add(peer);
    this.#step(peer);
  }

  /** @returns false if there is none */
  dropOldest(): boolean {
    const [oldest] = this.#peers;
    if (oldest !== undefined) this.#drop(oldest);
    return oldest !== undefined;
  }

  dropAll(): void {
    while (this.dropOldest());
  }

  /** For a thread that waits itself: what for. */
  all(): readonly FdEvent[] {
    return [...this.#peers];
  }

  /** How long until the first of them has had its time, in milliseconds. */
  get timeLeft(): number {
    const [oldest] = this.#peers;
    return oldest?.deadline.left ?? Infinity;
  }

  /** Goes on with those who are `ready`, and drops those who have had their time. */
  goOn(ready: readonly FdEvent[]): void {
    for (const peer of this.#peers) {
      if (ready.includes(peer)) this.#step(peer);
      else if (peer.deadline.isOver) this.#drop(peer);
    }
  }

  /** Lets the event loop do that from here on. It does not stay alive for them. */
  watch(): void {
    for (const peer of this.#peers) {
      if (peer.timer !== undefined) continue;
      peer.timer = setTimeout(() => this.#expire(peer), peer.deadline.left).unref();
      this.#watch(peer);
    }
  }

  #watch(peer: PendingPeer): void {
    peer.descriptor.watch(peer.event, () => this.#step(peer), false);
  }

  /** Its time is over; but maybe it was us who were slow. */
  #expire(peer: PendingPeer): void {
    this.#step(peer);
    if (this.#peers.has(peer)) this.#drop(peer);
  }

  #drop(peer: PendingPeer): void {
    clearTimeout(peer.timer);
    this.#peers.delete(peer);
    peer.descriptor.close();
  }

  #step(peer: PendingPeer): void {
    const { event, handshake, descriptor } = peer;
    try {
      if (!handshake.step()) {
        if (peer.timer !== undefined && peer.event !== event) this.#watch(peer);
        return;
      }
    } catch (error) {
      this.#drop(peer);
      this.#observer.refuse(error);
      return;
    }
    clearTimeout(peer.timer);
    this.#peers.delete(peer);
    this.#observer.accept(descriptor.release());
  }
}
