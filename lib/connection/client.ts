// multiprocessing.connection.Client.
import { TimeoutError } from '../errors.js';
import { OwnDescriptor } from '../posix/own-descriptor.js';
import { waitUntilReady, WRITABLE } from '../posix/poller.js';
import { Connecting, type SocketName } from '../posix/sockets.js';
import { assertBytes, assertType } from '../validate.js';
import {
  Deadline,
  type SyncWaitOptions,
  throwIfAborted,
  waitFor,
  type WaitOptions,
  waitOptions,
} from '../waiting.js';
import { type Address, type Family, familyOf, resolve, resolveSync } from './address.js';
import { Connection } from './connection.js';
import { Handshake } from './handshake.js';

/** How to connect, for {@link ClientSync}. */
export interface SyncClientOptions extends SyncWaitOptions {
  /** Default: that of the address. */
  family?: Family | undefined;
  /** The key that the listener has, too. Default: none, and then the listener must not have one. */
  authkey?: Uint8Array | undefined;
}

/** How to connect, for {@link Client}. */
export interface ClientOptions extends SyncClientOptions, WaitOptions {}

/** How long to wait when too many wait to be accepted, in milliseconds. The kernel does not tell. */
const RETRY = 2;

/** What is done one after the other, without waiting: to connect, and then to shake hands. */
class Approach {
  readonly #connecting: Connecting;
  readonly #handshake: Handshake | undefined;
  readonly descriptor: OwnDescriptor;
  #isConnected = false;

  constructor(name: SocketName, authkey: Uint8Array | undefined) {
    this.#connecting = new Connecting(name);
    const { fd } = this.#connecting;
    this.descriptor = new OwnDescriptor(fd);
    this.#handshake = authkey && new Handshake(fd, 'client', authkey);
  }

  /** What to wait for at the descriptor before the next step; undefined: try again in a moment. */
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
}

function check(address: Address, options: ClientOptions): Checked {
  const { timeout, signal } = waitOptions(options);
  const { family, authkey } = options;
  const isGiven = address !== undefined && address !== null;
  assertType(isGiven, 'address', 'a path or [host, port]', address);
  familyOf(address, family);
  if (authkey !== undefined) assertBytes(authkey, 'authkey');
  return { timeout, signal, authkey };
}

function timedOut(): TimeoutError {
  return new TimeoutError('could not connect in time');
}

function moment(wake: () => void): () => void {
  const timer = setTimeout(wake, RETRY);
  return () => clearTimeout(timer);
}

/**
 * Connects to a {@link Listener}, or to Python's.
 *
 * With an `authkey` both sides show that they know it, before anything is received: the handshake of
 * CPython 3.12 and later, with SHA-256, and of older ones. It encrypts nothing.
 *
 * @param address a path, `[host, port]`, or NUL and a name: see {@link Address}
 * @param options `{ timeout, signal }` are for all of it together
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
  const { timeout, signal, authkey } = check(address, options);
  throwIfAborted(signal);
  const deadline = new Deadline(timeout);
  const name = await resolve(address);
  throwIfAborted(signal);
  const approach = new Approach(name, authkey);
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
    return new Connection(descriptor.release());
  } catch (error) {
    descriptor.close();
    throw error;
  }
}

function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** As {@link Client}, and blocks the thread. */
export function ClientSync(address: Address, options: SyncClientOptions = {}): Connection {
  const { timeout, authkey } = check(address, options);
  const deadline = new Deadline(timeout);
  const approach = new Approach(resolveSync(address), authkey);
  const { descriptor } = approach;
  try {
    while (!approach.step()) {
      if (deadline.isOver) throw timedOut();
      const { event } = approach;
      if (event === undefined) sleepSync(Math.min(RETRY, deadline.left));
      else waitUntilReady(descriptor.fd, event, deadline.left);
    }
    return new Connection(descriptor.release());
  } catch (error) {
    descriptor.close();
    throw error;
  }
}
