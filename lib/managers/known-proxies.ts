// The proxies that a process has for the objects of one server: one for each object, for as long as
// somebody has it.
interface Entry {
  id: number;
  proxy: WeakRef<object>;
  /** How often the server has said that this process has it. */
  grants: number;
}

export class KnownProxies {
  readonly #entries = new Map<number, Entry>();
  readonly #collected: FinalizationRegistry<Entry>;

  /** @param drop called when a proxy is garbage, with the number of its grants */
  constructor(drop: (id: number, grants: number) => void) {
    this.#collected = new FinalizationRegistry((entry) => {
      if (this.#entries.get(entry.id) === entry) this.#entries.delete(entry.id);
      drop(entry.id, entry.grants);
    });
  }

  /** Whether there may be any. */
  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** The proxy for an object that the server has granted once more. */
  get(id: number, make: () => object): object {
    const entry = this.#entries.get(id);
    const known = entry?.proxy.deref();
    if (known !== undefined) {
      entry!.grants++;
      return known;
    }
    const proxy = make();
    const added = { id, proxy: new WeakRef(proxy), grants: 1 };
    this.#entries.set(id, added);
    this.#collected.register(proxy, added);
    return proxy;
  }
}
