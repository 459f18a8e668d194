// The process that has the objects. One event loop serves all clients; what has to wait is
// asynchronous, and holds up only the one who called it.
import { ProcessError } from '../../common/errors.js';
import { setImmediate, sleep } from '../../common/originals.js';
import { isThenable } from '../../common/thenable.js';
import type { Address } from '../../connection/address.js';
import type { Connection } from '../../connection/connection.js';
import { Listener } from '../../connection/listener.js';
import { dup } from '../../posix/descriptors.js';
import { originWithKey, Source } from '../../serialize/origin.js';
import { addOwnServer, type OwnServer, type Whereabouts } from '../client/links.js';
import { serveFunctions } from '../functions.js';
import { ITERATE, Request } from '../protocol/protocol.js';
import type { ProxyClass, Token } from '../protocol/reference.js';
import { Wire } from '../protocol/wire.js';
import { ForkReservations } from './fork-reservation.js';
import { OwnObjects } from './own-objects.js';
import { type Host, ServedClient } from './served-client.js';
import { ServerReference } from './server-reference.js';
import { type ClientCall, Session } from './session.js';
import { Store } from './store.js';
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

export class Server implements Host, OwnServer {
  /** Which server this is: addresses are used again. */
  readonly identity: string;
  readonly store: Store = new Store();
  /** Where what its clients say comes from. */
  readonly source: Source;
  /** The objects of this server, as this process itself uses them. */
  readonly own: OwnObjects = new OwnObjects(this);
  readonly managerClass: object;
  readonly #registry: Registry;
  readonly #listener: Listener;
  readonly #sessions = new Map<string, Session>();
  readonly #clients = new Set<ServedClient>();
  readonly #forks = new ForkReservations();
  #stop: () => void = () => {};
  readonly #isStopped = new Promise<void>((resolve) => (this.#stop = resolve));
  #serving: Promise<void> | undefined;
  readonly #authkey: Uint8Array;

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

  get whereabouts(): Whereabouts & { server: string } {
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

  invoke(id: number, method: string, args: never[], call: ClientCall): unknown {
    const object = this.store.get(id);
    const { behaviour } = object;
    serveFunctions(this.#registry.functions);
    const operation = behaviour.operations.get(method);
    if (operation === undefined) throw notExposed(method, object.typeid);
    const result = operation(object.referent as never, args, call);
    return isThenable(result)
      ? result.then((value) => this.#keepAtHome(value, method, behaviour))
      : this.#keepAtHome(result, method, behaviour);
  }

  administer(method: string, args: unknown[], call: ClientCall): unknown {
    const { session } = call;
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

  proxyTypeOf(typeid: string): ProxyClass | undefined {
    return this.#registry.types.get(typeid)?.proxyType;
  }

  adopt(token: Token): object {
    return this.own.adopt(token);
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
