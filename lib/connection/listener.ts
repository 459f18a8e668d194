// multiprocessing.connection.Listener.
import { inspect } from 'node:util';
import {
  AuthenticationError,
  ProcessError,
  type SystemError,
  TimeoutError,
} from '../common/errors.js';
import { type Entry, Fifo } from '../common/fifo.js';
import { inspectBy } from '../common/inspection.js';
import { anyOption, bytesOption, integerOption, optionsReader } from '../common/options.js';
import { PrivateDirectory } from '../common/private-directory.js';
import { checkReceivers } from '../common/receivers.js';
import {
  Deadline,
  syncTimeout,
  type SyncWaitOptions,
  throwIfAborted,
  waitFor,
  type WaitOptions,
  waitOptions,
} from '../common/waiting.js';
import { Wakers } from '../common/wakers.js';
import { OwnDescriptor } from '../fork/own-descriptor.js';
import { READABLE, waitForAny } from '../posix/poller.js';
import { getpeername, getsockname, listenOn, tryAccept } from '../posix/sockets.js';
import { type Origin, originWithKey, setSource, Source, STRANGERS } from '../serialize/origin.js';
import { type Address, type Family, familyOf, resolveSync } from './address.js';
import { Connection } from './connection.js';
import { BINDING, type BoundOptions } from './handshake.js';
import { PendingPeers } from './pending-peers.js';
import { type Polled, PolledDescriptor } from './polled-descriptor.js';
import { noteSocketFile, removeSocketFile, type SocketFile, unlinkIfThere } from './socket-file.js';

/** How to listen. */
export interface ListenerOptions {
  /** Default: that of the address; without one `'AF_UNIX'`. */
  family?: Family | undefined;
  /** How many may have connected and wait to be accepted. Default: 128. */
  backlog?: number | undefined;
  /** The key that a peer must have. Default: none, and every peer is accepted that can connect. */
  authkey?: Uint8Array | undefined;
}

const MAX_BACKLOG = 2 ** 31 - 1;
/** As Node and the kernel have it, and not Python's 1. */
const BACKLOG = 128;

const readOptions = optionsReader<ListenerOptions>('a Listener', {
  family: anyOption,
  backlog: integerOption(0, MAX_BACKLOG),
  authkey: bytesOption,
});

/** Errors of accept(2) that say something about one peer only. */
const OF_A_PEER = new Set(['ECONNABORTED', 'EPROTO', 'EPERM']);
const NO_ROOM = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

function closedError(): ProcessError {
  return new ProcessError('ERR_TRUEFORK_CLOSED', 'listener is closed');
}

/** Somebody who waits for a connection. */
interface Waiting {
  wake: () => void;
  place?: Entry<Waiting>;
  accepted?: OwnDescriptor;
  error?: unknown;
}

function isDone({ accepted, error }: Waiting): boolean {
  return accepted !== undefined || error !== undefined;
}

/**
 * The descriptors and the like of a listener, to be closed when it was dropped without a close().
 */
interface ListenerResources {
  descriptor: PolledDescriptor;
  /** Peers that wait to be accepted. */
  admitted: OwnDescriptor[];
  socketFile: SocketFile | undefined;
}

const dropped = new FinalizationRegistry<ListenerResources>(dispose);

function dispose({ descriptor, admitted, socketFile }: ListenerResources): void {
  for (const each of admitted) each.close();
  descriptor.close();
  if (socketFile !== undefined) removeSocketFile(socketFile);
}

type Listening = Pick<ListenerResources, 'socketFile'> & { fd: number };

/** Listens at an address. */
function open(address: Address | null | undefined, family: Family, backlog: number): Listening {
  if (address !== undefined && address !== null) {
    const fd = listenOn(resolveSync(address, Infinity)!, backlog);
    const isFile = typeof address === 'string' && !address.startsWith('\0');
    return { fd, socketFile: isFile ? noteSocketFile(() => unlinkIfThere(address)) : undefined };
  }
  if (family === 'AF_INET')
    return { fd: listenOn(['127.0.0.1', 0], backlog), socketFile: undefined };
  const directory = new PrivateDirectory();
  try {
    const fd = listenOn(directory.socketPath, backlog);
    return { fd, socketFile: noteSocketFile(() => directory.remove()) };
  } catch (error) {
    directory.remove();
    throw error;
  }
}

/**
 * A socket that others connect to with {@link Client}, also those of other programs, other
 * machines, and Python's `multiprocessing`. As Python's `multiprocessing.connection.Listener`.
 *
 * With an `authkey` only those are accepted who know it, and to whom this process has shown that it
 * does, too. It encrypts nothing. All handshakes are done at the same time, while somebody waits in
 * `accept()`; each has ten seconds, and messages of 256 bytes at most; a peer that goes away or is
 * too slow is dropped, and nobody else waits for that. Bytes that come from a peer before the end
 * of its handshake are never taken for a value. **A peer that knows the key can send data, and
 * never code.**
 *
 * In a forked child a listener works as it does in the parent: each who connects is accepted by one
 * of them.
 *
 * @example
 * ```ts
 * using listener = new Listener(['localhost', 6000], { authkey: Buffer.from('secret') });
 * for await (const connection of listener) {
 *   await connection.send({ hello: listener.lastAccepted });
 *   connection.close();
 * }
 * ```
 */
export class Listener {
  readonly #resources: ListenerResources;
  /** For the descriptor, which must not show these methods to users. */
  readonly #polled: Polled = {
    wantedEvents: () => (this.#waiting.length > 0 ? READABLE : 0),
    forgetParent: () => this.#disown(),
    onEvents: () => this.#onReady(),
  };
  readonly #address: Address;
  readonly #pendingPeers: PendingPeers | undefined;
  readonly #origin: Origin = STRANGERS;
  #lastAccepted: Address | null = null;
  #waiting = new Fifo<Waiting>();
  #isClosed = false;
  readonly #readiness = new Wakers();

  /**
   * @param address a path, which is removed by {@link close}, or when this process exits; `[host,
   *   port]`, where port 0 is one that is free; or, on Linux, NUL and a name. Default: a socket in
   *   a directory of its own that only this user can enter; for `'AF_INET'` a port of the loopback
   *   interface.
   * @throws SystemError `EADDRINUSE`, `EACCES`, `ENOENT`, `ENAMETOOLONG`, `ENOTFOUND` …
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`
   */
  constructor(address?: Address | null, options: ListenerOptions = {}) {
    const { family, backlog = BACKLOG, authkey } = readOptions(options);
    const found = familyOf(address, family);
    if (authkey !== undefined) {
      const key = Buffer.from(authkey);
      const observer = {
        accept: (fd: number): void => this.#admit(fd),
        refuse: (error: unknown): void => this.#refuse(error),
      };
      this.#pendingPeers = new PendingPeers(key, observer, (options as BoundOptions)[BINDING]);
      this.#origin = originWithKey(key);
    }
    const { fd, socketFile } = open(address, found, backlog);
    this.#resources = { descriptor: new PolledDescriptor(fd), admitted: [], socketFile };
    this.#address = getsockname(fd);
    dropped.register(this, this.#resources, this);
  }

  /**
   * Waits for a connection. Waits are served in the order in which they came.
   *
   * @throws AuthenticationError if somebody has tried to connect with a wrong key; accept again
   * @throws ProcessError `ERR_TRUEFORK_CLOSED`
   * @throws SystemError `EMFILE`
   * @throws TimeoutError, AbortError
   */
  async accept(options: number | WaitOptions = {}): Promise<Connection> {
    const { timeout, signal } = waitOptions(options);
    this.#enter();
    throwIfAborted(signal);
    const waiting: Waiting = { wake: () => {} };
    waiting.place = this.#waiting.push(waiting);
    this.#serve();
    if (!isDone(waiting)) {
      const subscribe = (wake: () => void): (() => void) => {
        waiting.wake = wake;
        this.#watch();
        return () => this.#forget(waiting);
      };
      await waitFor(subscribe, timeout, signal);
    }
    return this.#settle(waiting);
  }

  /** As {@link accept}, and blocks the thread. */
  acceptSync(options: number | SyncWaitOptions = {}): Connection {
    const deadline = new Deadline(syncTimeout(options));
    this.#enter();
    const waiting: Waiting = { wake: () => {} };
    waiting.place = this.#waiting.push(waiting);
    try {
      this.#serve();
      while (!isDone(waiting) && !deadline.isOver) {
        this.#sleep(deadline.left);
        this.#serve();
      }
    } finally {
      this.#forget(waiting);
    }
    return this.#settle(waiting);
  }

  /**
   * Connections as they come, until {@link close}. A peer with a wrong key is refused, and not
   * mentioned.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Connection, void, undefined> {
    while (!this.#isClosed) {
      let connection: Connection;
      try {
        connection = await this.accept();
      } catch (error) {
        if (error instanceof AuthenticationError) continue;
        if (this.#isClosed) return;
        throw error;
      }
      yield connection;
    }
  }

  /**
   * Does not listen any more, in this process. Peers that are not accepted yet are turned away.
   * Removes the path, if this process has made it. May be called twice.
   */
  close(): void {
    if (this.#isClosed) return;
    this.#disown();
    this.#isClosed = true;
    for (const waiting of this.#waiting.takeAll()) this.#fail(waiting, closedError());
    this.#dropPendingPeers();
    this.#resources.descriptor.update(this.#polled);
    dropped.unregister(this);
    dispose(this.#resources);
    this.#readiness.wakeAll();
  }

  /** For `using`: {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Where it listens: a path, or the IP address and the port. */
  get address(): Address {
    return this.#address;
  }

  /**
   * Where the connection came from that was accepted last: the IP address and the port, or the path
   * of its socket, which is empty if it has none. null before.
   */
  get lastAccepted(): Address | null {
    return this.#lastAccepted;
  }

  /** Whether {@link close} was called in this process. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /** The descriptor. @throws ProcessError `ERR_TRUEFORK_CLOSED` */
  fileno(): number {
    if (this.#isClosed) throw closedError();
    return this.#resources.descriptor.fd;
  }

  /** @internal Whether there is something to know, whatever the descriptor says. */
  get isReadyAnyway(): boolean {
    return this.#isClosed || this.#resources.admitted.length > 0;
  }

  /** @internal Calls `wake` when that may have changed. Returns a function that takes that back. */
  onReadyAnyway(wake: () => void): () => void {
    return this.#readiness.subscribe(wake);
  }

  static {
    checkReceivers(this, (object) => #resources in object);
    inspectBy(this, describe);
    function describe(this: Listener): string {
      return `Listener(${this.closed ? 'closed' : inspect(this.address)})`;
    }
  }

  /** In a forked child those who wait, and those who were to be accepted, are the parent's. */
  #disown(): boolean {
    const { descriptor } = this.#resources;
    if (!descriptor.isOfParent) return false;
    this.#waiting = new Fifo();
    this.#readiness.forget();
    this.#dropPendingPeers();
    descriptor.forgetParent();
    return true;
  }

  #enter(): void {
    this.#disown();
    if (this.#isClosed) throw closedError();
  }

  #dropPendingPeers(): void {
    this.#pendingPeers?.dropAll();
    for (const descriptor of this.#resources.admitted.splice(0)) descriptor.close();
  }

  #settle({ accepted, error }: Waiting): Connection {
    if (error !== undefined) throw error;
    if (accepted === undefined) throw new TimeoutError('nobody has connected in time');
    const fd = accepted.release();
    this.#lastAccepted = peerOf(fd);
    return setSource(new Connection(fd), new Source(this.#origin));
  }

  #finish(waiting: Waiting): void {
    this.#waiting.remove(waiting.place!);
    waiting.wake();
  }

  #fail(waiting: Waiting, error: unknown): void {
    waiting.error = error;
    this.#finish(waiting);
  }

  /** Gives those who wait what there is. */
  #serve(): void {
    this.#serveAdmitted();
    while (this.#waiting.length > 0 && this.#acceptNext());
  }

  #serveAdmitted(): void {
    const { admitted } = this.#resources;
    while (this.#waiting.length > 0 && admitted.length > 0) {
      const { first } = this.#waiting;
      first!.accepted = admitted.shift()!;
      this.#finish(first!);
    }
  }

  /** @returns whether there may be more */
  #acceptNext(): boolean {
    let fd: number | undefined;
    try {
      fd = tryAccept(this.#resources.descriptor.fd);
    } catch (error) {
      return this.#recover(error);
    }
    if (fd === undefined) return false;
    if (this.#pendingPeers === undefined) this.#admit(fd);
    else this.#pendingPeers.add(fd);
    return true;
  }

  #recover(error: unknown): boolean {
    const { code } = error as SystemError;
    if (OF_A_PEER.has(code)) return true;
    // Better that one who has been slow goes than that nobody can come.
    if (NO_ROOM.has(code) && this.#pendingPeers?.dropOldest()) return true;
    this.#fail(this.#waiting.first!, error);
    return this.#waiting.length > 0;
  }

  #admit(fd: number): void {
    this.#resources.admitted.push(new OwnDescriptor(fd));
    this.#serveAdmitted();
    if (this.isReadyAnyway) this.#readiness.wakeAll();
  }

  /**
   * A peer that went away, was too slow or spoke nonsense is not reported; one that does not know
   * the key is.
   */
  #refuse(error: unknown): void {
    const { first } = this.#waiting;
    if (first !== undefined && error instanceof AuthenticationError) this.#fail(first, error);
  }

  /** Somebody does not wait any more. */
  #forget(waiting: Waiting): void {
    this.#waiting.remove(waiting.place!);
    this.#watch();
  }

  /** Watches for peers while somebody waits. */
  #watch(): void {
    if (this.#isClosed) return;
    this.#pendingPeers?.watch();
    this.#resources.descriptor.update(this.#polled);
  }

  #onReady(): void {
    if (this.#isClosed) return;
    this.#serve();
    this.#watch();
  }

  /** Blocks the thread until there is something to do. */
  #sleep(timeout: number): void {
    const own = { fd: this.#resources.descriptor.fd, event: READABLE };
    const pendingPeers = this.#pendingPeers?.all() ?? [];
    const timeLeft = this.#pendingPeers?.timeLeft ?? Infinity;
    const ready = waitForAny([own, ...pendingPeers], Math.min(timeout, timeLeft));
    this.#pendingPeers?.goOn(ready);
  }
}

/** Its address, if it has not gone yet. */
function peerOf(fd: number): Address {
  try {
    return getpeername(fd);
  } catch {
    return '';
  }
}
