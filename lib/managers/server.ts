// The process that has the objects. One event loop serves all clients; what has to wait is asynchronous, and
// holds up only the one who called it.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../connection/address.js';
import type { Connection } from '../connection/connection.js';
import { Listener } from '../connection/listener.js';
import { ProcessError, type SystemError } from '../errors.js';
import { dup } from '../posix/descriptors.js';
import { OwnDescriptor } from '../posix/own-descriptor.js';
import { READABLE } from '../posix/poller.js';
import { pidfdOpen } from '../posix/wait.js';
import { serveFunctions } from './functions.js';
import { adopt, linkTo, setOwnServer } from './links.js';
import { ITERATE } from './names.js';
import { NO_ANSWER, Reply, Request, SERVER_ITSELF, VERSION } from './protocol.js';
import {
  type Home,
  makeProxy,
  Reference,
  referenceOf,
  type Target,
  type Token,
} from './reference.js';
import { Caller, Session } from './session.js';
import { Store, type StoredObject } from './store.js';
import type { Behaviour, RegisteredType, Registry } from './types.js';
import { MessageReader, MessageWriter, type ProxyCodec } from './values.js';
import { HEADER, Wire, writeHeader } from './wire.js';

/** How many calls of one connection may wait at the same time. */
const MOST_CALLS = 10_000;
/** How long to wait before somebody is accepted again when that has failed, in milliseconds. */
const RETRY = 100;
/** A client that does not read its replies is not read either. In bytes. */
const MOST_UNREAD = 1 << 20;

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}

function notExposed(method: string, typeid: string): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_NOT_EXPOSED',
    `'${method}' is not among what objects of type '${typeid}' expose`,
  );
}

/** The result of a method that stays in the server. */
class Granted {
  readonly object: StoredObject;

  constructor(object: StoredObject) {
    this.object = object;
  }
}

/** A message that is not one. */
class Nonsense extends Error {}

/** Whether a message is good, but what it refers to cannot be had: no descriptor is left, or its sender is gone. */
function isOurFault(error: unknown): boolean {
  const { code, syscall } = error as Partial<SystemError>;
  return code === 'ERR_TRUEFORK_HANDLE_LOST' || (code !== undefined && syscall !== undefined);
}

/** One connection of a client. */
class ServedClient implements ProxyCodec {
  readonly #server: Server;
  readonly #wire: Wire;
  readonly #writer = new MessageWriter(this);
  readonly #calls = new Map<number, Caller>();
  #session: Session | undefined;

  constructor(server: Server, wire: Wire) {
    this.#server = server;
    this.#wire = wire;
    wire.listen(this, true);
  }

  onMessage(message: Buffer): void {
    const reader = new MessageReader(message, this);
    let number = NO_ANSWER;
    let id: number;
    let method: string;
    let args: never[];
    try {
      number = reader.readUint32();
      id = reader.readDouble();
      method = reader.readString();
      args = this.#readArgs(reader, message.length);
    } catch (error) {
      if (this.#session !== undefined && isOurFault(error)) {
        return this.#answer(number, Reply.error, error);
      }
      return this.#hangUp();
    }
    this.#handle(number, id, method, args);
  }

  onEnd(): void {
    for (const caller of this.#calls.values()) caller.abort();
    this.#calls.clear();
    this.#server.forget(this, this.#session);
  }

  onDrain(): void {
    this.#wire.setPaused(false);
  }

  close(): void {
    this.#wire.close();
    this.onEnd();
  }

  toToken(proxy: object): Token {
    const { target, id, typeid, kind, shape } = referenceOf(proxy);
    if (target === this.#server) return this.#grant(this.#server.store.get(id));
    return { id, typeid, kind, shape, home: target.homeOf(id, proxy) };
  }

  fromToken(token: Token): object {
    return token.home === undefined ? this.#server.proxyFor(token.id) : adopt(token);
  }

  /** It has not said the truth about anything: so neither can the rest be believed. */
  #hangUp(): void {
    this.close();
  }

  #readArgs(reader: MessageReader, most: number): never[] {
    const count = reader.readUint32();
    if (count > most) throw new Nonsense();
    const args: unknown[] = [];
    for (let i = 0; i < count; i++) args.push(reader.readValue());
    return args as never[];
  }

  #grant(object: StoredObject): Token {
    object.grant(this.#session!);
    const { id, typeid } = object;
    const { kind, shape } = object.behaviour;
    return { id, typeid, kind, shape };
  }

  #handle(number: number, id: number, method: string, args: never[]): void {
    if (this.#session === undefined) return this.#welcome(number, id, method, args);
    const caller = new Caller(this.#session);
    try {
      const result =
        id === SERVER_ITSELF
          ? this.#administer(method, args, caller)
          : this.#server.invoke(id, method, args, caller);
      if (isThenable(result)) this.#answerLater(number, result, caller);
      else this.#answer(number, Reply.value, result);
    } catch (error) {
      this.#answer(number, Reply.error, error);
    }
  }

  /** The first message says who it is. */
  #welcome(number: number, id: number, method: string, args: unknown[]): void {
    const [version, session, pid] = args;
    const isHello = id === SERVER_ITSELF && method === Request.hello;
    if (!isHello || typeof session !== 'string' || version !== VERSION) return this.#hangUp();
    this.#session = this.#server.enter(this, session);
    this.#session.pid = typeof pid === 'number' ? pid : undefined;
    this.#answer(number, Reply.value, this.#server.identity);
  }

  #administer(method: string, args: unknown[], caller: Caller): unknown {
    switch (method) {
      case Request.cancel:
        return this.#calls.get(args[0] as number)?.abort();
      case Request.drop:
        return this.#server.drop(args as number[], caller.session);
      default:
        return this.#server.administer(method, args, caller);
    }
  }

  #answerLater(number: number, result: PromiseLike<unknown>, caller: Caller): void {
    if (this.#calls.size >= MOST_CALLS) {
      caller.abort();
      result.then(undefined, () => {});
      this.#answer(
        number,
        Reply.error,
        new ProcessError('ERR_TRUEFORK_TOO_MANY_WAITERS', `more than ${MOST_CALLS} calls wait`),
      );
      return;
    }
    this.#calls.set(number, caller);
    result.then(
      (value) => this.#finish(number, Reply.value, value),
      (error: unknown) => this.#finish(number, Reply.error, error),
    );
  }

  #finish(number: number, kind: number, value: unknown): void {
    this.#calls.delete(number);
    this.#answer(number, kind, value);
  }

  #answer(number: number, kind: number, value: unknown): void {
    if (number === NO_ANSWER || this.#wire.isClosed) return;
    let message: Buffer;
    try {
      message = this.#write(number, kind, value);
    } catch (error) {
      // It cannot be sent; that can.
      message = this.#write(number, Reply.error, error);
    }
    this.#wire.send(message);
    if (this.#wire.backlog > MOST_UNREAD) this.#wire.setPaused(true);
  }

  #write(number: number, kind: number, value: unknown): Buffer {
    const writer = this.#writer;
    writer.begin(HEADER);
    writer.writeUint32(number);
    writer.writeByte(kind);
    if (value instanceof Granted) writer.writeToken(this.#grant(value.object));
    else writer.writeValue(value);
    const message = writer.end();
    writeHeader(message);
    return message;
  }
}

/** A child that was forked from a client, and has not said anything yet. */
class Unborn {
  readonly session: Session;
  #pidfd: OwnDescriptor | undefined;
  readonly #onEnd: () => void;

  constructor(session: Session, onEnd: () => void) {
    this.session = session;
    this.#onEnd = onEnd;
  }

  /** From now on it is known when it ends. */
  watch(pid: number): void {
    try {
      this.#pidfd = new OwnDescriptor(pidfdOpen(pid));
      this.#pidfd.watch(READABLE, this.#onEnd);
    } catch (error) {
      if ((error as SystemError).code === 'ESRCH') this.#onEnd();
      // Else nobody can know before its parent ends.
    }
  }

  /** Its parent has ended. */
  onHolderGone(): void {
    if (this.#pidfd === undefined) this.#onEnd();
  }

  forget(): void {
    this.#pidfd?.close();
  }
}

export class Server implements Target {
  /** Which server this is: addresses are used again. */
  readonly identity: string = randomBytes(16).toString('hex');
  readonly store: Store = new Store();
  readonly #registry: Registry;
  readonly #listener: Listener;
  readonly #sessions = new Map<string, Session>();
  readonly #clients = new Set<ServedClient>();
  readonly #unborn = new Map<string, Unborn>();
  readonly #proxies = new WeakMap<StoredObject, WeakRef<object>>();
  /** For calls of this process itself. */
  readonly #own = new Session('server');
  #stop: () => void = () => {};
  readonly #authkey: Uint8Array;
  readonly #pid = process.pid;

  constructor(registry: Registry, listener: Listener, authkey: Uint8Array) {
    this.#registry = registry;
    this.#listener = listener;
    this.#authkey = authkey;
  }

  get address(): Address {
    return this.#listener.address;
  }

  /** What is in this process answers at once. */
  get mustNotBlock(): boolean {
    return false;
  }

  /** Serves all who come, until somebody asks for the end. */
  async serve(): Promise<void> {
    setOwnServer(this);
    serveFunctions(this.#registry.functions);
    const isStopped = new Promise<void>((resolve) => (this.#stop = resolve));
    const accepting = this.#acceptAll();
    await Promise.race([isStopped, accepting]);
    this.#listener.close();
    for (const client of this.#clients) client.close();
    setOwnServer(undefined);
  }

  /** Ends {@link serve}, when what is to be answered now is answered. */
  stop(): void {
    setImmediate(() => this.#stop());
  }

  invoke(id: number, method: string, args: never[], caller: Caller): unknown {
    const object = this.store.get(id);
    const { behaviour } = object;
    const operation = behaviour.operations.get(method);
    if (operation === undefined) throw notExposed(method, object.typeid);
    const result = operation(object.referent as never, args, caller);
    return isThenable(result)
      ? result.then((value) => this.#keepAtHome(value, method, behaviour))
      : this.#keepAtHome(result, method, behaviour);
  }

  administer(method: string, args: unknown[], caller: Caller): unknown {
    const { session } = caller;
    switch (method) {
      case Request.create:
        return this.#create(args[0] as string, args.slice(1));
      case Request.hold:
        return this.store.issueTicket(this.store.get(args[0] as number), session);
      case Request.redeem:
        return this.store.redeemTicket(args[1] as string, session, args[0] as number);
      case Request.prepareFork:
        return this.#prepareFork(args[0] as string, session);
      case Request.noteFork:
        return this.#noteFork(args[0] as string, args[1] as number | undefined);
      case Request.shutdown:
        return this.stop();
      case Request.numberOfObjects:
        return this.store.size;
      case Request.debugInfo:
        return this.#debugInfo();
      default:
        throw notExposed(method, 'server');
    }
  }

  drop(pairs: number[], session: Session): void {
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      try {
        this.store.get(pairs[i]!).drop(session, pairs[i + 1]!);
      } catch {
        // It is gone already.
      }
    }
  }

  enter(client: ServedClient, name: string): Session {
    const unborn = this.#unborn.get(name);
    if (unborn !== undefined) this.#forgetUnborn(unborn);
    let session = this.#sessions.get(name);
    if (session === undefined) {
      this.#sessions.set(name, (session = unborn?.session ?? new Session(name)));
    }
    session.connections.add(client);
    return session;
  }

  forget(client: ServedClient, session: Session | undefined): void {
    this.#clients.delete(client);
    if (session === undefined) return;
    session.connections.delete(client);
    if (session.connections.size > 0) return;
    this.#sessions.delete(session.name);
    session.end();
  }

  // What this process does with its own objects, through proxies that it was sent.

  /** The proxy for an object of this server, in this process: one for each object. */
  proxyFor(id: number): object {
    const object = this.store.get(id);
    const known = this.#proxies.get(object)?.deref();
    if (known !== undefined) return known;
    this.store.shareInside(object);
    const { typeid } = object;
    const { kind, shape } = object.behaviour;
    // The proxy has the object, and nobody counts.
    const proxy = makeProxy(new LocalReference(this, { id, typeid, kind, shape }, object));
    this.#proxies.set(object, new WeakRef(proxy));
    return proxy;
  }

  adopt({ id, home }: Token): object {
    this.store.redeemTicket(home!.ticket, this.#own, id);
    const proxy = this.proxyFor(id);
    this.store.get(id).drop(this.#own, Infinity);
    return proxy;
  }

  call(id: number, method: string, args: readonly unknown[]): unknown {
    if (this.#original !== undefined) return this.#original.call(id, method, args);
    const result = this.#callHere(id, method, args);
    if (!isThenable(result)) return result;
    throw new ProcessError(
      'ERR_TRUEFORK_WOULD_BLOCK',
      `'${method}' would wait, and in the server everybody else with it; use asyncProxy()`,
    );
  }

  async callAsync(
    id: number,
    method: string,
    args: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<unknown> {
    if (this.#original !== undefined) return this.#original.callAsync(id, method, args, signal);
    return this.#callHere(id, method, args);
  }

  homeOf(id: number, proxy: object): Home {
    if (this.#original !== undefined) return this.#original.homeOf(id, proxy);
    const ticket = this.store.issueTicket(this.store.get(id), this.#own);
    return { address: this.address, server: this.identity, ticket };
  }

  /** In a child that was forked from it, which has copies of the objects: the way to the server. */
  get #original(): Target | undefined {
    return this.#pid === process.pid ? undefined : linkTo(this.address, this.#authkey);
  }

  #callHere(id: number, method: string, args: readonly unknown[]): unknown {
    const result = this.invoke(id, method, args as never[], new Caller(this.#own));
    if (!(result instanceof Granted)) return result;
    result.object.hold(this);
    const proxy = this.proxyFor(result.object.id);
    result.object.forget(this);
    return proxy;
  }

  #typeOf(typeid: string): RegisteredType {
    const type = this.#registry.types.get(typeid);
    if (type !== undefined) return type;
    throw new ProcessError('ERR_TRUEFORK_NO_SUCH_TYPE', `the manager has no type '${typeid}'`);
  }

  #create(typeid: string, args: unknown[]): unknown {
    const type = this.#typeOf(typeid);
    const made = type.make(args as never[]);
    const store = (referent: unknown): Granted =>
      new Granted(this.store.add(typeid, referent, type.behaviourOf(referent)));
    return isThenable(made) ? made.then(store) : store(made);
  }

  /** Results that are objects of the server stay here. */
  #keepAtHome(value: unknown, method: string, behaviour: Behaviour): unknown {
    const typeid =
      behaviour.methodToTypeid.get(method) ?? (method === ITERATE ? 'Iterator' : undefined);
    if (typeid === undefined) {
      const known = this.store.find(value);
      return known === undefined ? value : new Granted(known);
    }
    const type = this.#typeOf(typeid);
    const referent = type.wrap(value);
    return new Granted(this.store.add(typeid, referent, type.behaviourOf(referent)));
  }

  async #acceptAll(): Promise<void> {
    while (!this.#listener.closed) {
      try {
        for await (const connection of this.#listener) this.#admit(connection);
      } catch {
        // There are no descriptors. Those who are connected are served, and may go.
        await sleep(RETRY);
      }
    }
  }

  #admit(connection: Connection): void {
    try {
      this.#clients.add(new ServedClient(this, new Wire(dup(connection.fileno()))));
    } catch {
      // No descriptor is left: it is turned away.
    }
    connection.close();
  }

  #prepareFork(name: string, parent: Session): void {
    const session = new Session(name);
    for (const [object, count] of parent.grants) {
      session.grants.set(object, count);
      object.hold(session);
    }
    const unborn = new Unborn(session, () => {
      this.#forgetUnborn(unborn);
      session.end();
    });
    parent.holdings.add(unborn);
    this.#unborn.set(name, unborn);
  }

  #noteFork(name: string, pid: number | undefined): void {
    const unborn = this.#unborn.get(name);
    if (unborn === undefined) return;
    if (pid !== undefined) {
      unborn.watch(pid);
      return;
    }
    this.#forgetUnborn(unborn);
    unborn.session.end();
  }

  #forgetUnborn(unborn: Unborn): void {
    this.#unborn.delete(unborn.session.name);
    for (const session of this.#sessions.values()) session.holdings.delete(unborn);
    unborn.forget();
  }

  #debugInfo(): string {
    return [...this.store.objects()]
      .map(({ id, typeid, holders }) => `${id}: ${typeid}, held by ${holders}`)
      .join('\n');
  }
}

/** Has the object itself, so that it lives as long as the proxy. */
class LocalReference extends Reference {
  readonly object: StoredObject;

  constructor(target: Target, token: Token, object: StoredObject) {
    super(target, token);
    this.object = object;
  }

  override get referent(): unknown {
    return this.object.referent;
  }
}
