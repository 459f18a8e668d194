// A client's way to a server: one connection for calls that block the thread, and one for all that do not,
// each made when it is first needed. Both belong to this process alone: a forked child makes its own.
import { randomBytes } from 'node:crypto';
import { type Address } from '../connection/address.js';
import { Client, ClientSync } from '../connection/client.js';
import type { Connection } from '../connection/connection.js';
import { badMessage } from '../clone.js';
import { AbortError, AuthenticationError, ProcessError } from '../errors.js';
import { close, dup } from '../posix/descriptors.js';
import { throwIfAborted } from '../waiting.js';
import { KnownProxies } from './known-proxies.js';
import { NO_ANSWER, Reply, Request, SERVER_ITSELF, VERSION } from './protocol.js';
import {
  type Home,
  makeProxy,
  Reference,
  referenceOf,
  type Target,
  type Token,
} from './reference.js';
import { MessageReader, MessageWriter, type ProxyCodec } from './values.js';
import { HEADER, Wire, writeHeader } from './wire.js';

/** How long a server may take to answer somebody who connects, each time, in milliseconds. */
const PATIENCE = 20_000;

/** How often to connect to one that gives up on us: we were slow, or there were too many others. */
const TRIES = 3;

/** How long to keep what is on its way to another process, where nobody may wait for a ticket. */
const ON_ITS_WAY = 60_000;

/** What a link has to know of the process that it is in. */
export interface LinkPolicy {
  /** Whether this process is a server: others wait for it, and it can wait for nobody. */
  mustNotBlock(): boolean;
  /** The proxy for an object of some other server. */
  adopt(token: Token): object;
}

const onTheirWay = new Set<object>();

function keepForAWhile(proxy: object): void {
  const kept = { proxy };
  onTheirWay.add(kept);
  setTimeout(() => onTheirWay.delete(kept), ON_ITS_WAY).unref();
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

async function closeSoon(connecting: Promise<Wire> | undefined): Promise<void> {
  try {
    (await connecting)?.close();
  } catch {
    // It was never made.
  }
}

/** Takes the descriptor out of a connection. */
function takeOver(connection: Connection): Wire {
  const fd = dup(connection.fileno());
  connection.close();
  try {
    return new Wire(fd);
  } catch (error) {
    close(fd);
    throw error;
  }
}

function lostError(cause: unknown): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_MANAGER_LOST',
    "the manager's server cannot be reached: it was shut down, or has died",
    { cause },
  );
}

/** What is worth telling as it is. */
function isTelling(error: unknown): boolean {
  return error instanceof AuthenticationError || error instanceof AbortError;
}

/** What a handshake ends with in whose middle the server has closed the connection. */
const DROPPED = new Set<unknown>([
  'EPIPE',
  'ECONNRESET',
  'ERR_TRUEFORK_EOF',
  'ERR_TRUEFORK_TRUNCATED',
]);

/** Throws what it means that one could not connect, if that is not worth another try. */
function judge(error: unknown, tries: number): void {
  if (DROPPED.has((error as { code?: unknown }).code) && tries < TRIES) return;
  throw isTelling(error) ? error : lostError(error);
}

async function connect(address: Address, authkey: Uint8Array): Promise<Wire> {
  for (let tries = 1; ; tries++) {
    try {
      return takeOver(await Client(address, { authkey, timeout: PATIENCE }));
    } catch (error) {
      judge(error, tries);
    }
  }
}

function connectSync(address: Address, authkey: Uint8Array): Wire {
  for (let tries = 1; ; tries++) {
    try {
      return takeOver(ClientSync(address, { authkey, timeout: PATIENCE }));
    } catch (error) {
      judge(error, tries);
    }
  }
}

export class ServerLink implements Target, ProxyCodec {
  readonly address: Address;
  readonly #authkey: Uint8Array;
  readonly #policy: LinkPolicy;
  readonly #known: KnownProxies = new KnownProxies((id, grants) => this.#drop(id, grants));
  readonly #writer = new MessageWriter(this);
  /** Which server it is; undefined: none yet. */
  #server: string | undefined;

  /** What the server knows this process by, and all that it has. */
  #session = randomBytes(16).toString('hex');
  #sync: Wire | undefined;
  #async: Promise<Wire> | undefined;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;
  #failure: ProcessError | undefined;
  /** `id, count, …` of what is garbage here. */
  #dropped: number[] = [];
  /** What a fork that is under way will be known by. */
  #nextSession: string | undefined;

  constructor(address: Address, authkey: Uint8Array, policy: LinkPolicy) {
    this.address = address;
    this.#authkey = authkey;
    this.#policy = policy;
  }

  hasKey(authkey: Uint8Array): boolean {
    return Buffer.compare(this.#authkey, authkey) === 0;
  }

  /** Whether the server has been there, and has taken the key. */
  get isConnected(): boolean {
    return this.#server !== undefined && !this.isLost;
  }

  /** Whether it is of no use any more. */
  get isLost(): boolean {
    return this.#failure !== undefined;
  }

  get mustNotBlock(): boolean {
    return this.#policy.mustNotBlock();
  }

  /** @throws ProcessError `ERR_TRUEFORK_MANAGER_LOST`, AuthenticationError, and what the method throws */
  call(id: number, method: string, args: readonly unknown[]): unknown {
    const wire = this.#syncWire();
    const message = this.#request(0, id, method, args);
    let answer: Buffer;
    try {
      wire.sendSync(message);
      answer = wire.receiveSync();
    } catch (error) {
      throw this.#lose(error);
    }
    const reader = new MessageReader(answer, this);
    try {
      reader.readUint32();
    } catch (error) {
      throw this.#lose(error);
    }
    return this.#result(reader);
  }

  /**
   * As {@link call}, and leaves the event loop free. An abort ends the call in the server; when it is
   * too late for that the promise is resolved, so that nothing gets lost.
   */
  async callAsync(
    id: number,
    method: string,
    args: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<unknown> {
    throwIfAborted(signal);
    const wire = await this.#asyncWire();
    const number = this.#calls++ % NO_ANSWER;
    const message = this.#request(number, id, method, args);
    // It may have been lost since there was a connection.
    this.#assertThere();
    const cancel = (): void => this.#tell(wire, Request.cancel, [number]);
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(number, { resolve, reject });
        wire.setRef(true);
        wire.send(message);
        signal?.addEventListener('abort', cancel, { once: true });
        if (signal?.aborted) cancel();
      });
    } catch (error) {
      // The server says only that it was aborted.
      if (signal?.aborted && error instanceof AbortError) throw new AbortError(signal);
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      this.#pending.delete(number);
      if (this.#pending.size === 0) wire.setRef(false);
    }
  }

  /** Asks the server for something, and does not wait for it. What fails is no matter. */
  tell(method: string): void {
    try {
      this.#syncWire();
      this.#tellSync(method, []);
    } catch {
      // It has ended already, or will be ended.
    }
  }

  toToken(proxy: object): Token {
    const { target, id, typeid, kind, shape } = referenceOf(proxy);
    if (target === this) return { id, typeid, kind };
    return { id, typeid, kind, shape, home: target.homeOf(id, proxy) };
  }

  fromToken(token: Token): object {
    return token.home === undefined ? this.#proxyFor(token) : this.#policy.adopt(token);
  }

  homeOf(id: number, proxy: object): Home {
    const { address } = this;
    if (this.mustNotBlock) {
      keepForAWhile(proxy);
      return { address, server: this.#server!, ticket: '' };
    }
    const ticket = this.call(SERVER_ITSELF, Request.hold, [id]) as string;
    return { address, server: this.#server!, ticket };
  }

  /** The proxy for an object that this process has got a ticket for. */
  adopt(token: Token): object {
    const { server, ticket } = token.home!;
    this.#server ??= server;
    const proxy = this.#proxyFor(token);
    const args = [token.id, ticket];
    try {
      if (this.#server !== server) throw lostError(undefined);
      if (this.mustNotBlock) this.#callInBackground(Request.redeem, args);
      else this.call(SERVER_ITSELF, Request.redeem, args);
    } catch {
      // Whoever uses it will hear why not.
    }
    return proxy;
  }

  /** Closes the connections. The server forgets what this process has. */
  close(): void {
    this.#lose(undefined);
  }

  /** Before a fork: sees to it that the child has what this process has. */
  prepareFork(): void {
    if (this.#sync === undefined || this.#known.isEmpty) return;
    const session = randomBytes(16).toString('hex');
    try {
      this.call(SERVER_ITSELF, Request.prepareFork, [session]);
      this.#nextSession = session;
    } catch {
      // There is nothing to have any more.
    }
  }

  /** @param pid undefined if there was no fork */
  noteFork(pid: number | undefined): void {
    const session = this.#nextSession;
    this.#nextSession = undefined;
    if (session === undefined || this.#sync === undefined) return;
    // The pids of another machine say nothing to the server.
    const isElsewhere = typeof this.address !== 'string';
    if (pid !== undefined && isElsewhere) return;
    this.#tellSync(Request.noteFork, [session, pid]);
  }

  /** In a forked child: the connections, and those who wait, are the parent's. */
  becomeChild(): void {
    this.#sync = undefined;
    this.#async = undefined;
    this.#pending.clear();
    this.#session = this.#nextSession ?? randomBytes(16).toString('hex');
    this.#nextSession = undefined;
  }

  #proxyFor(token: Token): object {
    return this.#known.get(token.id, () => makeProxy(new Reference(this, token)));
  }

  #callInBackground(method: string, args: readonly unknown[]): void {
    this.callAsync(SERVER_ITSELF, method, args).catch(() => {});
  }

  #request(number: number, id: number, method: string, args: readonly unknown[]): Buffer {
    const writer = this.#writer;
    writer.begin(HEADER);
    writer.writeUint32(number);
    writer.writeDouble(id);
    writer.writeString(method);
    writer.writeUint32(args.length);
    for (const arg of args) writer.writeValue(arg);
    const message = writer.end();
    writeHeader(message);
    return message;
  }

  #result(reader: MessageReader): unknown {
    let kind: number;
    let value: unknown;
    try {
      kind = reader.readByte();
      value = reader.readValue();
    } catch (error) {
      throw error instanceof RangeError ? badMessage(error) : error;
    }
    if (kind === Reply.error) throw value;
    return value;
  }

  #assertThere(): void {
    if (this.#failure !== undefined) throw lostError(this.#failure.cause);
  }

  #syncWire(): Wire {
    this.#assertThere();
    return (this.#sync ??= this.#connectSync());
  }

  #connectSync(): Wire {
    const wire = connectSync(this.address, this.#authkey);
    this.#sync = wire;
    try {
      this.#recognise(this.call(SERVER_ITSELF, Request.hello, this.#introduction()));
    } catch (error) {
      this.#sync = undefined;
      wire.close();
      throw error;
    }
    this.#flushDropped();
    return wire;
  }

  #asyncWire(): Promise<Wire> {
    this.#assertThere();
    this.#async ??= this.#connect().catch((error: unknown) => {
      this.#async = undefined;
      throw error;
    });
    return this.#async;
  }

  async #connect(): Promise<Wire> {
    const wire = await connect(this.address, this.#authkey);
    this.#assertThere();
    wire.listen(
      {
        onMessage: (message) => this.#onAnswer(message),
        onEnd: (error) => void this.#lose(error),
      },
      true,
    );
    const number = this.#calls++ % NO_ANSWER;
    const server = await new Promise((resolve, reject) => {
      this.#pending.set(number, { resolve, reject });
      wire.send(this.#request(number, SERVER_ITSELF, Request.hello, this.#introduction()));
    }).finally(() => this.#pending.delete(number));
    this.#recognise(server);
    return wire;
  }

  #introduction(): unknown[] {
    return [VERSION, this.#session, process.pid];
  }

  #recognise(server: unknown): void {
    this.#server ??= server as string;
    if (this.#server === server) return;
    throw this.#lose(new Error('another server has its address now'));
  }

  #onAnswer(message: Buffer): void {
    const reader = new MessageReader(message, this);
    const pending = this.#pending.get(reader.readUint32());
    try {
      const value = this.#result(reader);
      pending?.resolve(value);
    } catch (error) {
      pending?.reject(error);
    }
  }

  #lose(error: unknown): ProcessError {
    this.#failure ??= lostError(error);
    this.#sync?.close();
    this.#sync = undefined;
    void closeSoon(this.#async);
    this.#async = undefined;
    for (const { reject } of this.#pending.values()) reject(lostError(error));
    this.#pending.clear();
    return lostError(error);
  }

  #drop(id: number, grants: number): void {
    if (this.#failure !== undefined) return;
    if (this.#dropped.length === 0) setImmediate(() => this.#flushDropped()).unref();
    this.#dropped.push(id, grants);
  }

  #flushDropped(): void {
    // Without a connection there is nobody who could want to know.
    if (this.#dropped.length === 0 || this.#sync === undefined) return;
    this.#tellSync(Request.drop, this.#dropped);
    this.#dropped = [];
  }

  #tell(wire: Wire, method: string, args: readonly unknown[]): void {
    if (!wire.isClosed) wire.send(this.#request(NO_ANSWER, SERVER_ITSELF, method, args));
  }

  #tellSync(method: string, args: readonly unknown[]): void {
    try {
      this.#sync!.sendSync(this.#request(NO_ANSWER, SERVER_ITSELF, method, args));
    } catch (error) {
      this.#lose(error);
    }
  }
}
