// A client's way to a server: one connection for calls that block the thread, and one for all that
// do not, each made when it is first needed. Both belong to this process alone: a forked child
// makes its own.
import { randomBytes } from 'node:crypto';
import { process } from '../../common/originals.js';
import { type Deadline, throwIfAborted } from '../../common/waiting.js';
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
import { BlockingCalls, type BlockingService } from './blocking-calls.js';
import {
  connect,
  CONNECT_TIMEOUT_MS,
  connectSync,
  type Destination,
  lostError,
} from './connect.js';
import { KnownProxies } from './known-proxies.js';
import { News } from './news.js';

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

export class ServerLink implements Target, ProxyCodec, Service, BlockingService {
  readonly source: Source;
  /** The class of the managers that use it; undefined: none yet. */
  managerClass: object | undefined;
  /** Whether the server has shown that it has the key, or this process has started it. */
  isKnown = false;
  readonly #destination: Destination;
  readonly #policy: LinkPolicy;
  readonly #proxies = new KnownProxies((id, grants) => this.#drop(id, grants));
  readonly #requests = new Requests(this);
  readonly #blocking = new BlockingCalls(this);
  readonly #news = new News({
    encode: (method, args) => this.#requests.encode(NO_ANSWER, SERVER_ITSELF, method, args),
    onEnd: (error) => this.onEnd(error),
  });
  #async = new AsyncCalls(this);
  /** The name by which the server knows this process, and all that it has. */
  #session = newName();
  /** The name of the session of the child, while a fork is under way. */
  #nextSession: string | undefined;
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
    return this.#blocking.call(this.#requests.encode(0, id, method, args));
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
      this.#blocking.connect(Math.min(timeout, CONNECT_TIMEOUT_MS));
      this.#news.tell(Request.shutdown, []);
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
    this.#news.tell(Request.hold, [id, ticket]);
    if (!this.#news.hasConnection) this.#async.connectSoon();
    return { address: this.address, server: this.server!, ticket };
  }

  takeBack(id: number, { ticket }: Home): void {
    if (this.isLost) return;
    this.#news.tell(Request.redeem, [id, ticket]);
    this.#news.drop(id, 1);
  }

  /**
   * The proxy for an object that this process has got a ticket for. The ticket is redeemed when
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
    this.onEnd(undefined);
  }

  /** Before a fork: sees to it that the child has what this process has. */
  prepareFork(): void {
    if (!this.#news.hasConnection || this.#proxies.isEmpty) return;
    this.#news.flush();
    this.#nextSession = newName();
    this.#news.tell(Request.prepareFork, [this.#nextSession]);
  }

  /** @param pid undefined if there was no fork */
  noteFork(pid: number | undefined): void {
    const session = this.#nextSession;
    this.#nextSession = undefined;
    if (session === undefined) return;
    // The pids of another machine say nothing to the server.
    const isElsewhere = typeof this.address !== 'string';
    if (pid !== undefined && isElsewhere) return;
    this.#news.tell(Request.noteFork, [session, pid]);
  }

  /** In a forked child: the connections, and those who wait, are the parent's. */
  becomeChild(): void {
    this.#blocking.abandon();
    this.#news.abandon();
    this.#async.abandon();
    this.#async = new AsyncCalls(this);
    this.#proxies.becomeChild();
    this.#session = this.#nextSession ?? newName();
    this.#nextSession = undefined;
  }

  /** @internal For calls, as the following. */
  connect(deadline: Deadline): Promise<Wire> {
    return connect(this.#destination, deadline).catch((error: unknown) => {
      throw this.#noteUnreachable(error);
    });
  }

  connectSync(deadline: Deadline): Wire {
    try {
      return connectSync(this.#destination, deadline);
    } catch (error) {
      throw this.#noteUnreachable(error);
    }
  }

  greet(number: number): Buffer {
    return this.#requests.encode(number, SERVER_ITSELF, Request.hello, this.#introduction());
  }

  cancel(number: number): Buffer {
    return this.#requests.encode(NO_ANSWER, SERVER_ITSELF, Request.cancel, [number]);
  }

  /** The server knows this process. */
  onGreeted(_answer: unknown, wire: Wire): void {
    this.#assertThere();
    this.isKnown = true;
    this.#policy.onConnected(this);
    if (!this.#news.connect(wire)) return;
    // First of all: what is dropped may be what is claimed.
    this.#claim();
    this.#news.flush();
  }

  readerOf(message: Buffer): MessageReader {
    return new MessageReader(message, this);
  }

  onAnswer = (message: Buffer): void => {
    const reader = this.readerOf(message);
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

  onEnd = (error: unknown): Error => {
    this.#loss ??= { cause: error };
    this.#news.abandon();
    this.#blocking.close();
    this.#async.end(lostError(error));
    return lostError(error);
  };

  #makeProxy(token: Token): object {
    const ProxyClass = proxyTypeOf(this.managerClass, token.typeid);
    return makeProxy(new Reference(this, token), ProxyClass);
  }

  #assertThere(): void {
    if (this.#loss !== undefined) throw lostError(this.#loss.cause);
  }

  #noteUnreachable(error: unknown): unknown {
    this.#news.forgetUntold();
    this.#policy.onUnreachable(this);
    return error;
  }

  #introduction(): unknown[] {
    return [VERSION, this.#session, process.pid];
  }

  #drop(id: number, grants: number): void {
    if (!this.isLost) this.#news.drop(id, grants);
  }

  #claim(): void {
    if (!this.#news.hasConnection) return;
    for (const claim of this.#proxies.claim()) this.#news.tell(Request.redeem, claim);
  }
}
