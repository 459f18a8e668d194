// The objects of a server. One is kept as long as a client has a proxy for it, a ticket is out for
// it, or another object refers to it: for the last the collector of garbage sees.
import { ProcessError } from '../../common/errors.js';
import { setTimeout } from '../../common/originals.js';
import type { Session } from './session.js';
import type { Behaviour } from './types.js';

/** How long a ticket is good after its issuer has ended. */
const GRACE_MS = 60_000;

/**
 * How many tickets may be redeemed before they are issued, which takes another way. The oldest are
 * forgotten.
 */
const MAX_EARLY_TICKETS = 10_000;

export class StoredObject {
  readonly id: number;
  readonly typeid: string;
  readonly referent: unknown;
  readonly behaviour: Behaviour;
  readonly #store: Store;
  /** Sessions and tickets. */
  readonly #holders = new Set<object>();

  constructor(store: Store, id: number, typeid: string, referent: unknown, behaviour: Behaviour) {
    this.#store = store;
    this.id = id;
    this.typeid = typeid;
    this.referent = referent;
    this.behaviour = behaviour;
  }

  /** @param count may be negative */
  grant(session: Session, count = 1): void {
    if (session.isOver) return;
    const total = (session.grants.get(this) ?? 0) + count;
    if (total === 0) session.grants.delete(this);
    else session.grants.set(this, total);
    if (total > 0) this.hold(session);
    else this.forget(session);
  }

  drop(session: Session, count: number): void {
    if (Number.isSafeInteger(count) && count > 0) this.grant(session, -count);
  }

  hold(holder: object): void {
    this.#holders.add(holder);
    this.#store.keep(this);
  }

  forget(holder: object): void {
    this.#holders.delete(holder);
    if (this.#holders.size === 0) this.#store.release(this);
  }

  get holders(): number {
    return this.#holders.size;
  }
}

class Ticket {
  readonly object: StoredObject;
  readonly name: string;
  readonly #issuer: Session;
  readonly #tickets: Map<string, Ticket>;

  constructor(name: string, object: StoredObject, issuer: Session, tickets: Map<string, Ticket>) {
    this.name = name;
    this.object = object;
    this.#issuer = issuer;
    this.#tickets = tickets;
    issuer.holdings.add(this);
    object.hold(this);
  }

  cancel(): void {
    this.#tickets.delete(this.name);
    this.#issuer.holdings.delete(this);
    this.object.forget(this);
  }

  /** Its issuer has ended, and somebody may still be about to read it. */
  onHolderGone(): void {
    setTimeout(() => this.cancel(), GRACE_MS).unref();
  }
}

export class Store {
  #last = 0;
  /** Objects that some client has. */
  readonly #kept = new Map<number, StoredObject>();
  /** Objects that may be inside of others as well. */
  readonly #inner = new Map<number, WeakRef<StoredObject>>();
  readonly #collected = new FinalizationRegistry<number>((id) => this.#inner.delete(id));
  readonly #tickets = new Map<string, Ticket>();
  readonly #early = new Set<string>();
  /** Stored objects by their referents, where these are objects. */
  readonly #byReferent = new WeakMap<object, StoredObject>();

  add(typeid: string, referent: unknown, behaviour: Behaviour): StoredObject {
    const known = this.find(referent);
    if (known?.typeid === typeid) return known;
    const object = new StoredObject(this, ++this.#last, typeid, referent, behaviour);
    if (typeof referent === 'object' && referent !== null) this.#byReferent.set(referent, object);
    return object;
  }

  find(referent: unknown): StoredObject | undefined {
    return this.#byReferent.get(referent as object);
  }

  /** @throws ProcessError `ERR_TRUEFORK_NO_SUCH_OBJECT` */
  get(id: number): StoredObject {
    const object = this.#kept.get(id) ?? this.#inner.get(id)?.deref();
    if (object !== undefined) return object;
    throw new ProcessError('ERR_TRUEFORK_NO_SUCH_OBJECT', `the manager has no object ${id}`);
  }

  /** @internal For StoredObject. */
  keep(object: StoredObject): void {
    this.#kept.set(object.id, object);
  }

  /** @internal For StoredObject. */
  release(object: StoredObject): void {
    this.#kept.delete(object.id);
    if (!this.#inner.has(object.id)) object.behaviour.end?.(object.referent);
  }

  /** Something in this process refers to `object`: it lives as long as that. */
  shareInside(object: StoredObject): void {
    if (this.#inner.has(object.id)) return;
    this.#inner.set(object.id, new WeakRef(object));
    this.#collected.register(object, object.id);
  }

  /**
   * Keeps an object until somebody comes for it; for as long as `issuer` lives, and a little
   * longer.
   *
   * @param name what the issuer calls the ticket
   */
  issueTicket(name: string, object: StoredObject, issuer: Session): void {
    if (this.#early.delete(name) || this.#tickets.has(name)) return;
    this.#tickets.set(name, new Ticket(name, object, issuer, this.#tickets));
  }

  redeemTicket(name: string, bearer: Session, id: number): void {
    this.get(id).grant(bearer);
    this.cancelTicket(name);
  }

  /** @param name '': none; the one who has received the ticket has it yet */
  cancelTicket(name: string): void {
    if (name === '') return;
    const ticket = this.#tickets.get(name);
    if (ticket !== undefined) return ticket.cancel();
    this.#early.add(name);
    const [oldest] = this.#early;
    if (this.#early.size > MAX_EARLY_TICKETS) this.#early.delete(oldest!);
  }

  get size(): number {
    return this.#kept.size;
  }

  objects(): Iterable<StoredObject> {
    return this.#kept.values();
  }
}
