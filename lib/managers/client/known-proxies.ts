// The proxies that a process has for the objects of one server: one for each object, for as long as
// somebody has it.
import { isDeepStrictEqual } from 'node:util';
import { referenceOf, type Token } from '../protocol/reference.js';

interface Entry {
  id: number;
  proxy: WeakRef<object>;
  /** How often the server counts this process as one that has it, or will when it has the news. */
  grants: number;
  /** Tickets that were not redeemed yet. */
  tickets: string[];
}

/**
 * Whether a proxy is what `token` asks for. Somebody may have made up another one of the same
 * number.
 */
function isFor(proxy: object, { typeid, kind, shape }: Token): boolean {
  const known = referenceOf(proxy);
  const isSame = known.kind === kind && known.typeid === typeid;
  return isSame && isDeepStrictEqual(known.shape, shape);
}

export class KnownProxies {
  readonly #entries = new Map<number, Entry>();
  readonly #collected: FinalizationRegistry<Entry>;

  /** @param drop called when a proxy is garbage, with the number of its grants */
  constructor(drop: (id: number, grants: number) => void) {
    this.#collected = new FinalizationRegistry((entry) => {
      if (this.#entries.get(entry.id) === entry) this.#entries.delete(entry.id);
      if (entry.grants > 0) drop(entry.id, entry.grants);
    });
  }

  /** Whether there may be any. */
  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** The proxy for an object that the server has granted once more. */
  granted(token: Token, make: () => object): object {
    const [entry, proxy] = this.#find(token, make);
    entry.grants++;
    return proxy;
  }

  /** The proxy for an object that there is a ticket for, which is to be redeemed. */
  claimed(token: Token, ticket: string, make: () => object): object {
    const [entry, proxy] = this.#find(token, make);
    entry.tickets.push(ticket);
    return proxy;
  }

  /** The tickets that were not redeemed yet, and are now. */
  *claim(): Generator<[id: number, ticket: string], void, undefined> {
    for (const entry of this.#entries.values()) {
      for (const ticket of entry.tickets.splice(0)) {
        entry.grants++;
        yield [entry.id, ticket];
      }
    }
  }

  /** In a forked child: the tickets are its parent's to give back. */
  becomeChild(): void {
    for (const { tickets } of this.#entries.values()) tickets.fill('');
  }

  #find(token: Token, make: () => object): [Entry, object] {
    const { id } = token;
    const entry = this.#entries.get(id);
    const known = entry?.proxy.deref();
    if (known !== undefined && isFor(known, token)) return [entry!, known];
    const proxy = make();
    const added: Entry = { id, proxy: new WeakRef(proxy), grants: 0, tickets: [] };
    this.#entries.set(id, added);
    this.#collected.register(proxy, added);
    return [added, proxy];
  }
}
