// The objects of a server as its own process uses them: through proxies that it was sent.
import { randomBytes } from 'node:crypto';
import { ProcessError } from '../../common/errors.js';
import { thisProcess } from '../../common/per-process.js';
import { isThenable } from '../../common/thenable.js';
import { linkToOwn, type Whereabouts } from '../client/links.js';
import {
  type Home,
  makeProxy,
  type ProxyClass,
  Reference,
  type Target,
  type Token,
} from '../protocol/reference.js';
import { currentTasks } from '../protocol/tasks.js';
import { ServerReference } from './server-reference.js';
import { ClientCall, Session } from './session.js';
import type { Store, StoredObject } from './store.js';

/** The server, as far as its own objects have to do with it. */
export interface ObjectServer {
  readonly store: Store;
  readonly managerClass: object;
  readonly whereabouts: Whereabouts & { server: string };
  proxyTypeOf(typeid: string): ProxyClass | undefined;
  invoke(id: number, method: string, args: never[], call: ClientCall): unknown;
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

export class OwnObjects implements Target {
  readonly #server: ObjectServer;
  readonly #proxies = new WeakMap<StoredObject, WeakRef<object>>();
  readonly #session = new Session('server');
  readonly #owner = thisProcess;

  constructor(server: ObjectServer) {
    this.#server = server;
  }

  get managerClass(): object {
    return this.#server.managerClass;
  }

  /** Objects of this process answer at once. */
  get mustNotBlock(): boolean {
    return false;
  }

  /** The proxy for an object: one for each. */
  proxyFor(id: number): object {
    const object = this.#server.store.get(id);
    const known = this.#proxies.get(object)?.deref();
    if (known !== undefined) return known;
    this.#server.store.shareInside(object);
    const { typeid } = object;
    const { kind, shape } = object.behaviour;
    // The proxy has the object, and nobody counts.
    const reference = new LocalReference(this, { id, typeid, kind, shape }, object);
    const proxy = makeProxy(reference, this.#server.proxyTypeOf(typeid));
    this.#proxies.set(object, new WeakRef(proxy));
    return proxy;
  }

  adopt({ id, home }: Token): object {
    const proxy = this.proxyFor(id);
    this.#server.store.cancelTicket(home!.ticket);
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
    const { address, server } = this.#server.whereabouts;
    const ticket = randomBytes(16).toString('hex');
    this.#server.store.issueTicket(ticket, this.#server.store.get(id), this.#session);
    return { address, server, ticket };
  }

  takeBack(id: number, home: Home): void {
    if (this.#original !== undefined) this.#original.takeBack(id, home);
    else this.#server.store.cancelTicket(home.ticket);
  }

  /** In a child that was forked from it, which has copies of the objects: the way to the server. */
  get #original(): Target | undefined {
    return this.#owner === thisProcess ? undefined : linkToOwn(this.#server.whereabouts);
  }

  #callHere(id: number, method: string, args: readonly unknown[]): unknown {
    const result = this.#server.invoke(
      id,
      method,
      args as never[],
      new ClientCall(this.#session, currentTasks()),
    );
    if (!ServerReference.is(result)) return result;
    result.object.hold(this);
    const proxy = this.proxyFor(result.object.id);
    result.object.forget(this);
    return proxy;
  }
}
