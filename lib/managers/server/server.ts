// The process that has the objects. One event loop serves all clients; what has to wait is
// asynchronous, and holds up only the one who called it.
import { randomBytes } from 'node:crypto';
import { ProcessError } from '../../common/errors.js';
import { setImmediate, sleep } from '../../common/originals.js';
import { thisProcess } from '../../common/per-process.js';
import { isThenable } from '../../common/thenable.js';
import type { Address } from '../../connection/address.js';
import type { Connection } from '../../connection/connection.js';
import { Listener } from '../../connection/listener.js';
import { dup } from '../../posix/descriptors.js';
import { originWithKey, Source } from '../../serialize/origin.js';
import { addOwnServer, linkToOwn, type Whereabouts } from '../client/links.js';
import { serveFunctions } from '../functions.js';
import { ITERATE } from '../protocol/names.js';
import { Request } from '../protocol/protocol.js';
import { type Home, makeProxy, Reference, type Target, type Token } from '../protocol/reference.js';
import { currentTasks } from '../protocol/tasks.js';
import { Wire } from '../protocol/wire.js';
import { ForkReservations } from './fork-reservation.js';
import { ServedClient } from './served-client.js';
import { ServerReference } from './server-reference.js';
import { ClientCall, Session } from './session.js';
import { Store, type StoredObject } from './store.js';
import type { Behaviour, RegisteredType, Registry } from './types.js';

/** How long to wait before somebody is accepted again when that has failed. */
const RETRY_MS = 100;

function notExposed(method: string, typeid: string): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_NOT_EXPOSED',
    `'${method}' is not among what objects of type '${typeid}' expose`,
  );
}

/** The parts of a server. */
export interface ServerParts {
  managerClass: object;
  registry: Registry;
  listener: Listener;
  /** The name by which clients recognize this server. */
  identity: string;
  authkey: Uint8Array;
}

export class Server implements Target {
  /** Which server this is: addresses are used again. */
  readonly identity: string;
  readonly store: Store = new Store();
  /** Where what its clients say comes from. */
  readonly source: Source;
  readonly managerClass: object;
  readonly #registry: Registry;
  readonly #listener: Listener;
  readonly #sessions = new Map<string, Session>();
  readonly #clients = new Set<ServedClient>();
  readonly #forks = new ForkReservations();
  readonly #proxies = new WeakMap<StoredObject, WeakRef<object>>();
  /** For calls of this process itself. */
  readonly #own = new Session('server');
  #stop: () => void = () => {};
  readonly #isStopped = new Promise<void>((resolve) => (this.#stop = resolve));
  #serving: Promise<void> | undefined;
  readonly #authkey: Uint8Array;
  readonly #owner = thisProcess;

  constructor({ managerClass, registry, listener, identity, authkey }: ServerParts) {
    this.managerClass = managerClass;
    this.identity = identity;
    this.#registry = registry;
    this.#listener = listener;
    this.#authkey = authkey;
    this.source = new Source(originWithKey(authkey));
  }

  get address(): Address {
    return this.#listener.address;
  }

  /** False: objects of this process answer at once. */
  get mustNotBlock(): boolean {
    return false;
  }

  get whereabouts(): Whereabouts {
    const { address, identity: server, managerClass } = this;
    return { address, authkey: this.#authkey, server, managerClass };
  }

  /** Serves all who come, until somebody asks for the end. */
  serve(): Promise<void> {
    return (this.#serving ??= this.#serve());
  }

  /** Ends {@link serve}, when what is to be answered now is answered. */
  stop(): void {
    setImmediate(() => this.#stop());
  }

  invoke(id: number, method: string, args: never[], caller: ClientCall): unknown {
    const object = this.store.get(id);
    const { behaviour } = object;
    serveFunctions(this.#registry.functions);
    const operation = behaviour.operations.get(method);
    if (operation === undefined) throw notExposed(method, object.typeid);
    const result = operation(object.referent as never, args, caller);
    return isThenable(result)
      ? result.then((value) => this.#keepAtHome(value, method, behaviour))
      : this.#keepAtHome(result, method, behaviour);
  }

  administer(method: string, args: unknown[], caller: ClientCall): unknown {
    const { session } = caller;
    switch (method) {
      case Request.create:
        return this.#create(args[0] as string, args.slice(1));
      case Request.hold:
        return this.store.issueTicket(
          args[1] as string,
          this.store.get(args[0] as number),
          session,
        );
      case Request.redeem:
        return this.store.redeemTicket(args[1] as string, session, args[0] as number);
      case Request.prepareFork:
        return this.#prepareFork(args[0] as string, session);
      case Request.noteFork:
        return this.#forks.note(args[0] as string, args[1] as number | undefined);
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
    let session = this.#sessions.get(name);
    if (session === undefined) {
      this.#sessions.set(name, (session = this.#forks.claim(name) ?? new Session(name)));
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

  // The following is for this process itself, which uses its own objects through proxies that it
  // was sent.

  /** The proxy for an object of this server, in this process: one for each object. */
  proxyFor(id: number): object {
    const object = this.store.get(id);
    const known = this.#proxies.get(object)?.deref();
    if (known !== undefined) return known;
    this.store.shareInside(object);
    const { typeid } = object;
    const { kind, shape } = object.behaviour;
    // The proxy has the object, and nobody counts.
    const reference = new LocalReference(this, { id, typeid, kind, shape }, object);
    const proxy = makeProxy(reference, this.#registry.types.get(typeid)?.proxyType);
    this.#proxies.set(object, new WeakRef(proxy));
    return proxy;
  }

  adopt({ id, home }: Token): object {
    const proxy = this.proxyFor(id);
    this.store.cancelTicket(home!.ticket);
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

  homeOf(id: number): Home {
    if (this.#original !== undefined) return this.#original.homeOf(id);
    const ticket = randomBytes(16).toString('hex');
    this.store.issueTicket(ticket, this.store.get(id), this.#own);
    return { address: this.address, server: this.identity, ticket };
  }

  takeBack(id: number, home: Home): void {
    if (this.#original !== undefined) this.#original.takeBack(id, home);
    else this.store.cancelTicket(home.ticket);
  }

  /** In a child that was forked from it, which has copies of the objects: the way to the server. */
  get #original(): Target | undefined {
    return this.#owner === thisProcess ? undefined : linkToOwn(this.whereabouts);
  }

  #callHere(id: number, method: string, args: readonly unknown[]): unknown {
    const result = this.invoke(
      id,
      method,
      args as never[],
      new ClientCall(this.#own, currentTasks()),
    );
    if (!ServerReference.is(result)) return result;
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
    serveFunctions(this.#registry.functions);
    const made = type.make(args as never[]);
    const store = (referent: unknown): ServerReference =>
      new ServerReference(this.store.add(typeid, referent, type.behaviourOf(referent)));
    return isThenable(made) ? made.then(store) : store(made);
  }

  /** Results that are objects of the server stay here. */
  #keepAtHome(value: unknown, method: string, behaviour: Behaviour): unknown {
    const typeid =
      behaviour.methodToTypeid.get(method) ?? (method === ITERATE ? 'Iterator' : undefined);
    if (typeid === undefined) {
      const known = this.store.find(value);
      return known === undefined ? value : new ServerReference(known);
    }
    const type = this.#typeOf(typeid);
    const referent = type.wrap(value);
    return new ServerReference(this.store.add(typeid, referent, type.behaviourOf(referent)));
  }

  async #serve(): Promise<void> {
    const forget = addOwnServer(this);
    await Promise.race([this.#isStopped, this.#acceptAll()]);
    this.#listener.close();
    for (const client of this.#clients) client.close();
    forget();
  }

  async #acceptAll(): Promise<void> {
    while (!this.#listener.closed) {
      try {
        for await (const connection of this.#listener) this.#admit(connection);
      } catch {
        // There are no descriptors. Connected clients are served, and may go.
        await sleep(RETRY_MS);
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
    if (typeof name !== 'string') return;
    // A child may be here before the news of it.
    const child = this.#sessions.get(name);
    if (child === undefined) this.#forks.add(name, parent);
    else child.share(parent);
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
