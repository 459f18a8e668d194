// multiprocessing.connection.Client.
import { TimeoutError } from '../common/errors.js';
import {
  anyOption,
  bytesOption,
  type Checks,
  optionsReader,
  signalOption,
  timeoutOption,
} from '../common/options.js';
import { clearTimeout, setTimeout } from '../common/originals.js';
import { assertType } from '../common/validate.js';
import {
  Deadline,
  type SyncWaitOptions,
  throwIfAborted,
  waitFor,
  type WaitOptions,
  sleepSync,
} from '../common/waiting.js';
import { OwnDescriptor } from '../fork/own-descriptor.js';
import { waitUntilReady, WRITABLE } from '../posix/poller.js';
import { Connecting, type SocketName } from '../posix/sockets.js';
import { originWithKey, setSource, Source } from '../serialize/origin.js';
import { type Address, type Family, familyOf, resolve, resolveSync } from './address.js';
import { Connection } from './connection.js';
import { type Binding, BINDING, type BoundOptions, Handshake } from './handshake.js';

/** How to connect, for {@link ClientSync}. */
export interface SyncClientOptions extends SyncWaitOptions {
  /** Default: that of the address. */
  family?: Family | undefined;
  /** The key that the listener has, too. Default: none, and then the listener must not have one. */
  authkey?: Uint8Array | undefined;
}

/** How to connect, for {@link Client}. */
export interface ClientOptions extends SyncClientOptions, WaitOptions {}

/**
 * How long to wait when too many wait to be accepted, in milliseconds. The kernel does not tell.
 */
const RETRY_INTERVAL_MS = 2;

/**
 * Steps that are done one after the other, without waiting: to connect, and then to shake hands.
 */
class Approach {
  readonly #connecting: Connecting;
  readonly #handshake: Handshake | undefined;
  readonly descriptor: OwnDescriptor;
  #isConnected = false;

  constructor(name: SocketName, { authkey, binding }: Checked) {
    this.#connecting = new Connecting(name);
    const { fd } = this.#connecting;
    this.descriptor = new OwnDescriptor(fd);
    this.#handshake = authkey && new Handshake(fd, 'client', authkey, binding);
  }

  /**
   * The event to wait for at the descriptor before the next step; undefined: try again in a moment.
   */
  get event(): number | undefined {
    if (this.#isConnected) return this.#handshake!.event;
    return this.#connecting.isUnderWay ? WRITABLE : undefined;
  }

  /** Returns whether all is done. */
  step(): boolean {
    this.#isConnected ||= this.#connecting.step();
    return this.#isConnected && (this.#handshake?.step() ?? true);
  }
}

interface Checked {
  timeout: number;
  signal: AbortSignal | undefined;
  authkey: Uint8Array | undefined;
  binding: Binding | undefined;
}

const SYNC_OPTIONS: Checks<SyncClientOptions> = {
  timeout: timeoutOption,
  family: anyOption,
  authkey: bytesOption,
};
const readSyncOptions = optionsReader<SyncClientOptions>('ClientSync()', SYNC_OPTIONS);
const readOptions = optionsReader<ClientOptions>('Client()', {
  ...SYNC_OPTIONS,
  signal: signalOption,
});

function check(address: Address, options: ClientOptions, given: ClientOptions): Checked {
  const { timeout = Infinity, signal, family, authkey } = options;
  const isGiven = address !== undefined && address !== null;
  assertType(isGiven, 'address', 'a path or [host, port]', address);
  familyOf(address, family);
  const binding = (given as BoundOptions)[BINDING];
  return { timeout: Math.max(0, timeout), signal, authkey, binding };
}

function connectionOf({ descriptor }: Approach, { authkey }: Checked): Connection {
  const source = new Source(originWithKey(authkey && Buffer.from(authkey)));
  return setSource(new Connection(descriptor.release()), source);
}

function timedOut(): TimeoutError {
  return new TimeoutError('could not connect in time');
}

function moment(wake: () => void): () => void {
  const timer = setTimeout(wake, RETRY_INTERVAL_MS);
  return () => clearTimeout(timer);
}

/**
 * Connects to a {@link Listener}, or to Python's.
 *
 * With an `authkey` both sides show that they know it, before anything is received: the handshake
 * of CPython 3.12 and later, with SHA-256, and of older ones. It encrypts nothing.
 *
 * @param address a path, `[host, port]`, or NUL and a name: see {@link Address}
 * @param options `{ timeout, signal }` are for all of it together, the look-up of the host, too
 * @throws SystemError `ECONNREFUSED`, `ENOENT`, `ENOTFOUND` …
 * @throws AuthenticationError if one of the two keys is not the other's
 * @throws EOFError if the listener gives up
 * @throws TimeoutError, AbortError; TypeError, RangeError for wrong arguments
 *
 * @example
 * ```ts
 * const connection = await Client(['localhost', 6000], { authkey: Buffer.from('secret') });
 * console.log(await connection.recv());
 * ```
 */
export async function Client(address: Address, options: ClientOptions = {}): Promise<Connection> {
  const checked = check(address, readOptions(options), options);
  const { timeout, signal } = checked;
  throwIfAborted(signal);
  const deadline = new Deadline(timeout);
  const name = await resolve(address, timeout, signal);
  throwIfAborted(signal);
  if (name === undefined) throw timedOut();
  const approach = new Approach(name, checked);
  const { descriptor } = approach;
  try {
    while (!approach.step()) {
      if (deadline.isOver) throw timedOut();
      const { event } = approach;
      const subscribe = (wake: () => void): (() => void) => {
        if (event === undefined) return moment(wake);
        descriptor.watch(event, wake);
        return () => {};
      };
      await waitFor(subscribe, deadline.left, signal);
    }
    return connectionOf(approach, checked);
  } catch (error) {
    descriptor.close();
    throw error;
  }
}

/** As {@link Client}, and blocks the thread. */
export function ClientSync(address: Address, options: SyncClientOptions = {}): Connection {
  const checked = check(address, readSyncOptions(options), options);
  const { timeout } = checked;
  const deadline = new Deadline(timeout);
  const name = resolveSync(address, timeout);
  if (name === undefined) throw timedOut();
  const approach = new Approach(name, checked);
  const { descriptor } = approach;
  try {
    while (!approach.step()) {
      if (deadline.isOver) throw timedOut();
      const { event } = approach;
      if (event === undefined) sleepSync(Math.min(RETRY_INTERVAL_MS, deadline.left));
      else waitUntilReady(descriptor.fd, event, deadline.left);
    }
    return connectionOf(approach, checked);
  } catch (error) {
    descriptor.close();
    throw error;
  }
}
