// A client's way to a server: one connection for calls that block the thread, and one for all that
// do not, each made when it is first needed. Both belong to this process alone: a forked child
// makes its own.
import { randomBytes } from 'node:crypto';
import { EOFError } from '../../common/errors.js';
import { process, setImmediate } from '../../common/originals.js';
import { Deadline, throwIfAborted } from '../../common/waiting.js';
import type { Address } from '../../connection/address.js';
import { originWithKey, Source } from '../../serialize/origin.js';
import { NO_ANSWER, Request, SERVER_ITSELF, VERSION } from '../protocol/protocol.js';
import {
  type Home,
  makeProxy,
  noteArrival,
  Reference,
  referenceOf,
  type Target,
  type Token,
} from '../protocol/reference.js';
import { readResult, Requests } from '../protocol/requests.js';
import { MessageReader, type ProxyCodec } from '../protocol/values.js';
import type { Wire } from '../protocol/wire.js';
import { proxyTypeOf } from '../registrations.js';
import { AsyncCalls, type Service } from './async-calls.js';
import {
  connect,
  CONNECT_TIMEOUT_MS,
  connectSync,
  type Destination,
  lostError,
} from './connect.js';
import { KnownProxies } from './known-proxies.js';

/** The ways in which a link depends on the process that it is in. */
export interface LinkPolicy {
  /** Whether this process is a server: others wait for it, and it can wait for nobody. */
  mustNotBlock(): boolean;
  /** The proxy for an object of some other server. */
  adopt(token: Token, link: ServerLink): object;
  /** Whether the server is known from here on, or could not be reached. */
  onConnected(link: ServerLink): void;
  onUnreachable(link: ServerLink): void;
}

function newName(): string {
  return randomBytes(16).toString('hex');
}

export class ServerLink implements Target, ProxyCodec, Service {
  readonly source: Source;
  /** The class of the managers that use it; undefined: none yet. */
  managerClass: object | undefined;
  /** Whether the server has shown that it has the key, or this process has started it. */
  isKnown = false;
  readonly #destination: Destination;
  readonly #policy: LinkPolicy;
  readonly #proxies = new KnownProxies((id, grants) => this.#drop(id, grants));
  readonly #requests = new Requests(this);
  #sync: Wire | undefined;
  #async = new AsyncCalls(this);
  /**
   * The connection that was made first: what the server is told goes through one, and so in one
   * order.
   */
  #teller: Wire | undefined;
  /** News for the connection, to be told when there is one. */
  #untold: [method: string, args: readonly unknown[]][] = [];
  /** The name by which the server knows this process, and all that it has. */
  #session = newName();
  /** The name of the session of the child, while a fork is under way. */
  #nextSession: string | undefined;
  /** `id, count, …` of what is garbage here. */
  #dropped: number[] = [];
  #loss: { cause: unknown } | undefined;
  /** Whether an answer is read for somebody who has got a promise. */
  #answersLater = false;

  constructor(destination: Destination, policy: LinkPolicy) {
    this.#destination = destination;
    this.#policy = policy;
    this.source = new Source(originWithKey(destination.authkey));
  }

  get address(): Address {
    return this.#destination.address;
  }

  /** Which server it is; undefined: any that answers first. */
  get server(): string | undefined {
    return this.#destination.binding.server;
  }

  hasKey(authkey: Uint8Array): boolean {
    return Buffer.compare(this.#destination.authkey, authkey) === 0;
  }

  /** Whether it is of no use any more. */
  get isLost(): boolean {
    return this.#loss !== undefined;
  }

  get mustNotBlock(): boolean {
    return this.#policy.mustNotBlock();
  }

  /**
   * @throws ProcessError `ERR_TRUEFORK_MANAGER_LOST`, AuthenticationError, and what the method
   *   throws
   */
  call(id: number, method: string, args: readonly unknown[]): unknown {
    this.#assertThere();
    const message = this.#requests.encode(0, id, method, args);
    if (this.#sync !== undefined) return this.#exchange(message);
    const kept = Buffer.from(message);
    this.#connectSync(CONNECT_TIMEOUT_MS);
    return this.#exchange(kept);
  }

  /** As {@link call}, and leaves the event loop free. */
  async callAsync(
    id: number,
    method: string,
    args: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<unknown> {
    throwIfAborted(signal);
    this.#assertThere();
    const calls = this.#async;
    const number = calls.nextNumber();
    const message = this.#requests.encode(number, id, method, args);
    this.#assertThere();
    return calls.send(number, message, signal);
  }

  /** Asks the server for its end, and does not wait for an answer. */
  tellShutdown(timeout: number): void {
    try {
      this.#assertThere();
      if (this.#sync === undefined) this.#connectSync(Math.min(timeout, CONNECT_TIMEOUT_MS));
      this.#tell(Request.shutdown, []);
    } catch {
      // It has ended already, or will be ended.
    }
  }

  toToken(proxy: object): Token {
    const { target, id, typeid, kind, shape } = referenceOf(proxy);
    if (target === this) return { id, typeid, kind };
    return { id, typeid, kind, shape, home: target.homeOf(id) };
  }

  fromToken(token: Token): object {
    if (token.home !== undefined) return this.#policy.adopt(token, this);
    const proxy = this.#proxies.granted(token, () => this.#makeProxy(token));
    return this.#answersLater ? noteArrival(proxy) : proxy;
  }

  homeOf(id: number): Home {
    this.#assertThere();
    const ticket = newName();
    this.#tell(Request.hold, [id, ticket]);
    if (this.#teller === undefined) this.#async.connectSoon();
    return { address: this.address, server: this.server!, ticket };
  }

  takeBack(id: number, { ticket }: Home): void {
    if (this.isLost) return;
    this.#tell(Request.redeem, [id, ticket]);
    this.#drop(id, 1);
  }

  /**
   * The proxy for an object that this process has got a ticket for. The server is told of it when
   * there is a connection: nobody waits for that here.
   *
   * @param make makes one where there is none
   */
  adopt(token: Token, make: () => object = () => this.#makeProxy(token)): object {
    const proxy = this.#proxies.claimed(token, token.home!.ticket, make);
    this.#claim();
    return proxy;
  }

  /** Closes the connections. The server forgets what this process has. */
  close(): void {
    this.#lose(undefined);
  }

  /** Before a fork: sees to it that the child has what this process has. */
  prepareFork(): void {
    if (this.#teller === undefined || this.#proxies.isEmpty) return;
    this.#flushDropped();
    this.#nextSession = newName();
    this.#tell(Request.prepareFork, [this.#nextSession]);
  }

  /** @param pid undefined if there was no fork */
  noteFork(pid: number | undefined): void {
    const session = this.#nextSession;
    this.#nextSession = undefined;
    if (session === undefined) return;
    // The pids of another machine say nothing to the server.
    const isElsewhere = typeof this.address !== 'string';
    if (pid !== undefined && isElsewhere) return;
    this.#tell(Request.noteFork, [session, pid]);
  }

  /** In a forked child: the connections, and those who wait, are the parent's. */
  becomeChild(): void {
    this.#sync = undefined;
    this.#teller = undefined;
    this.#async.abandon();
    this.#async = new AsyncCalls(this);
    this.#untold = [];
    this.#proxies.becomeChild();
    this.#session = this.#nextSession ?? newName();
    this.#nextSession = undefined;
  }

  /** @internal For AsyncCalls, as the following. */
  connect(deadline: Deadline): Promise<Wire> {
    return connect(this.#destination, deadline).catch((error: unknown) => {
      throw this.#noteUnreachable(error);
    });
  }

  greet(number: number): Buffer {
    return this.#requests.encode(number, SERVER_ITSELF, Request.hello, this.#introduction());
  }

  cancel(number: number): Buffer {
    return this.#requests.encode(NO_ANSWER, SERVER_ITSELF, Request.cancel, [number]);
  }

  onGreeted(_answer: unknown, wire: Wire): void {
    this.#assertThere();
    this.#enter(wire);
  }

  onAnswer = (message: Buffer): void => {
    const reader = new MessageReader(message, this);
    this.#async.answer(reader.readUint32(), (pending) => {
      this.#answersLater = true;
      try {
        const value = readResult(reader);
        pending?.resolve(value);
      } catch (error) {
        pending?.reject(error);
      } finally {
        this.#answersLater = false;
      }
    });
  };

  onEnd = (error: unknown): void => void this.#lose(error);

  #makeProxy(token: Token): object {
    const ProxyClass = proxyTypeOf(this.managerClass, token.typeid);
    return makeProxy(new Reference(this, token), ProxyClass);
  }

  #assertThere(): void {
    if (this.#loss !== undefined) throw lostError(this.#loss.cause);
  }

  #exchange(message: Buffer, timeout = Infinity): unknown {
    const wire = this.#sync!;
    let reader: MessageReader;
    try {
      wire.sendSync(message);
      reader = new MessageReader(wire.receiveSync(timeout), this);
      reader.readUint32();
    } catch (error) {
      throw this.#lose(error);
    }
    return readResult(reader);
  }

  #connectSync(timeout: number): void {
    const deadline = new Deadline(timeout);
    let wire: Wire;
    try {
      wire = connectSync(this.#destination, deadline);
    } catch (error) {
      throw this.#noteUnreachable(error);
    }
    this.#sync = wire;
    try {
      this.#exchange(this.greet(0), deadline.left);
    } catch (error) {
      this.#sync = undefined;
      wire.close();
      throw error;
    }
    this.#enter(wire);
  }

  /** There is nothing to be told to anybody. */
  #noteUnreachable(error: unknown): unknown {
    this.#untold = [];
    this.#policy.onUnreachable(this);
    return error;
  }

  #introduction(): unknown[] {
    return [VERSION, this.#session, process.pid];
  }

  /** The server knows this process. */
  #enter(wire: Wire): void {
    this.isKnown = true;
    this.#policy.onConnected(this);
    if (this.#teller !== undefined) return;
    this.#teller = wire;
    this.#claim();
    for (const [method, args] of this.#untold.splice(0)) this.#tell(method, args);
    this.#flushDropped();
  }

  #lose(error: unknown): Error {
    this.#loss ??= { cause: error };
    this.#untold = [];
    this.#sync?.close();
    this.#sync = undefined;
    this.#teller = undefined;
    this.#async.end(lostError(error));
    return lostError(error);
  }

  #drop(id: number, grants: number): void {
    if (this.isLost) return;
    if (this.#dropped.length === 0) setImmediate(() => this.#flushDropped()).unref();
    this.#dropped.push(id, grants);
  }

  #claim(): void {
    if (this.#teller === undefined) return;
    for (const claim of this.#proxies.claim()) this.#tell(Request.redeem, claim);
  }

  #flushDropped(): void {
    // Without a connection there is nobody who could want to know.
    if (this.#dropped.length === 0 || this.#teller === undefined) return;
    const dropped = this.#dropped;
    this.#dropped = [];
    this.#tell(Request.drop, dropped);
  }

  /** Never waits: what the server does not take now goes later. */
  #tell(method: string, args: readonly unknown[]): void {
    if (this.#teller === undefined) {
      this.#untold.push([method, args]);
      return;
    }
    this.#teller.send(this.#requests.encode(NO_ANSWER, SERVER_ITSELF, method, args));
    if (this.#teller?.isClosed) this.#lose(new EOFError());
  }
}
