// References: an object in another process, and the way there. Each proxy has one.
import { setImmediate } from '../../common/originals.js';
import { onForkedChild } from '../../common/per-process.js';
import { precompileForChildren } from '../../common/precompiled.js';
import { assertType } from '../../common/validate.js';
import { type Address, familyOf } from '../../connection/address.js';
import { badMessage } from '../../serialize/clone.js';

/** The members of an object whose class is not of this package. */
export interface Shape {
  methods: string[];
  /** Readable properties, and whether each can be written, too. */
  properties: Record<string, boolean>;
  isIterable: boolean;
}

/** The form of a proxy in a message. */
export interface Token {
  /** The number of the object at its server. */
  id: number;
  typeid: string;
  /** Which kind of proxy it has. */
  kind: string;
  shape?: Shape | undefined;
  /** Where its server is: missing where that is one of those who talk. */
  home?: Home | undefined;
}

export interface Home {
  address: Address;
  /** Which server it was that had this address. */
  server: string;
  /** Keeps the object alive until the receiver of the token has asked for it. */
  ticket: string;
}

function isShape(shape: Partial<Shape> | null): boolean {
  const { methods, properties } = shape ?? {};
  const areNames = Array.isArray(methods) && methods.every((name) => typeof name === 'string');
  return areNames && typeof properties === 'object' && properties !== null;
}

function isAddress(address: unknown): boolean {
  try {
    familyOf(address, undefined);
    return address !== undefined && address !== null;
  } catch {
    return false;
  }
}

function isHome(home: Partial<Home> | null): boolean {
  const { address, server, ticket } = home ?? {};
  return isAddress(address) && typeof server === 'string' && typeof ticket === 'string';
}

/** A peer may have made it up. @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE` */
export function assertToken(token: unknown): asserts token is Token {
  const { id, typeid, kind, shape, home } = (token ?? {}) as Partial<Token>;
  const isRight =
    Number.isSafeInteger(id) &&
    typeof typeid === 'string' &&
    typeof kind === 'string' &&
    (shape === undefined || isShape(shape)) &&
    (home === undefined || isHome(home));
  if (!isRight) throw badMessage();
}

/** A process that has objects. */
export interface Target {
  /** Whether nobody here may wait for it. */
  readonly mustNotBlock: boolean;
  /** The class of the managers through which this process has it, if there is one. */
  readonly managerClass: object | undefined;
  /** Calls a method, and blocks the thread until it has returned. */
  call(id: number, method: string, args: readonly unknown[]): unknown;
  callAsync(
    id: number,
    method: string,
    args: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<unknown>;
  /** For a message to a process that may not know the object: keeps it alive on its way. */
  homeOf(id: number): Home;
  /** That message is not sent. */
  takeBack(id: number, home: Home): void;
}

export class Reference {
  #target: Target | (() => Target);
  readonly id: number;
  readonly typeid: string;
  readonly kind: string;
  readonly shape: Shape | undefined;
  /** The caller of a method keeps the proxy, for which the server keeps the object. */
  proxy: object | undefined;
  /** An object that has to live as long. */
  kept: unknown;
  /** Whether the proxy has just arrived, and nobody has used it. */
  isFresh = false;

  /** The object itself, where it is one of this process. */
  get referent(): unknown {
    return undefined;
  }

  /** @param target the process that has it, or what finds that when it is needed */
  constructor(target: Target | (() => Target), { id, typeid, kind, shape }: Token) {
    this.#target = target;
    this.id = id;
    this.typeid = typeid;
    this.kind = kind;
    this.shape = shape;
  }

  /** @throws AuthenticationError if nothing is known of it */
  get target(): Target {
    if (typeof this.#target === 'function') this.#target = this.#target();
    return this.#target;
  }

  call(method: string, ...args: unknown[]): unknown {
    this.isFresh = false;
    return this.target.call(this.id, method, args);
  }

  async callAsync(
    method: string,
    args: readonly unknown[] = [],
    signal?: AbortSignal,
  ): Promise<unknown> {
    this.isFresh = false;
    const call = { reference: this, args };
    underWay.add(call);
    try {
      return await this.target.callAsync(this.id, method, args, signal);
    } finally {
      underWay.delete(call);
    }
  }
}

const fresh = new Set<Reference>();

function forgetFresh(): void {
  for (const reference of fresh) reference.isFresh = false;
  fresh.clear();
}

/**
 * Until it is used, or this turn of the event loop is over, the proxy is one that has just arrived.
 * Returns it.
 */
export function noteArrival<T extends object>(proxy: T): T {
  const reference = referenceOf(proxy);
  if (fresh.size === 0) setImmediate(forgetFresh).unref();
  reference.isFresh = true;
  fresh.add(reference);
  return proxy;
}

/** With all that must not be collected meanwhile. */
const underWay = new Set<object>();

onForkedChild(() => {
  underWay.clear();
  forgetFresh();
});
precompileForChildren(forgetFresh);

const references = new WeakMap<object, Reference>();

export function isProxy(value: unknown): value is object {
  return references.has(value as object);
}

/** @throws TypeError `ERR_INVALID_ARG_TYPE` if it is not a proxy */
export function referenceOf(proxy: unknown): Reference {
  const reference = references.get(proxy as object);
  assertType(reference !== undefined, 'proxy', "a manager's proxy", proxy);
  return reference!;
}

/** Marks `proxy` as one. Returns it. */
export function bind<T extends object>(proxy: T, reference: Reference): T {
  references.set(proxy, reference);
  reference.proxy = proxy;
  return proxy;
}

export type Maker = (reference: Reference) => object;
/** How proxies are made, by their kind. */
export type Makers = Readonly<Record<string, Maker>>;

const makers = new Map<string, Maker>();

/** Says how the proxies of one kind are made. */
export function registerKind(kind: string, make: Maker): void {
  makers.set(kind, make);
}

export type ProxyClass = new (reference: never) => object;

/** @param Class what a program has given for its type */
export function makeProxy(reference: Reference, Class: ProxyClass | undefined): object {
  if (Class !== undefined) return new Class(reference as never);
  const make = makers.get(reference.kind);
  if (make === undefined) throw badMessage();
  return bind(make(reference), reference);
}
