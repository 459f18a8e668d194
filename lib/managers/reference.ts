// What is behind a proxy: an object somewhere else, and the way there.
import { badMessage } from '../clone.js';
import type { Address } from '../connection/address.js';
import { onForkedChild } from '../posix/fork.js';
import { assertType } from '../validate.js';

/** What an object of a class that is not of this package offers. */
export interface Shape {
  methods: string[];
  /** Those that can be read, and whether they can be written, too. */
  properties: Record<string, boolean>;
  isIterable: boolean;
}

/** What stands for a proxy in a message. */
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

function isHome(home: Partial<Home> | null): boolean {
  return typeof home?.server === 'string' && typeof home.ticket === 'string';
}

/** A peer may have made it up. @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE` */
export function assertToken(token: unknown): asserts token is Token {
  const { id, typeid, kind, shape, home } = (token ?? {}) as Partial<Token>;
  const isRight =
    typeof id === 'number' &&
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
  /** Calls a method, and blocks the thread until it has returned. */
  call(id: number, method: string, args: readonly unknown[]): unknown;
  callAsync(
    id: number,
    method: string,
    args: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<unknown>;
  /** For a message to a process that may not know the object: keeps it alive on its way. */
  homeOf(id: number, proxy: object): Home;
}

export class Reference {
  readonly target: Target;
  readonly id: number;
  readonly typeid: string;
  readonly kind: string;
  readonly shape: Shape | undefined;
  /** Whoever calls a method keeps the proxy, for which the server keeps the object. */
  proxy: object | undefined;

  /** The object itself, where it is one of this process. */
  get referent(): unknown {
    return undefined;
  }

  constructor(target: Target, { id, typeid, kind, shape }: Token) {
    this.target = target;
    this.id = id;
    this.typeid = typeid;
    this.kind = kind;
    this.shape = shape;
  }

  call(method: string, ...args: unknown[]): unknown {
    return this.target.call(this.id, method, args);
  }

  async callAsync(
    method: string,
    args: readonly unknown[] = [],
    signal?: AbortSignal,
  ): Promise<unknown> {
    const call = { reference: this, args };
    underWay.add(call);
    try {
      return await this.target.callAsync(this.id, method, args, signal);
    } finally {
      underWay.delete(call);
    }
  }
}

/** With all that must not be collected meanwhile. */
const underWay = new Set<object>();

onForkedChild(() => underWay.clear());

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

/** By typeid: the classes that programs have given. */
const proxyTypes = new Map<string, new (reference: never) => object>();

export function registerProxyType(typeid: string, Class: new (reference: never) => object): void {
  proxyTypes.set(typeid, Class);
}

export function makeProxy(reference: Reference): object {
  const Class = proxyTypes.get(reference.typeid);
  if (Class !== undefined) return new Class(reference as never);
  const make = makers.get(reference.kind);
  if (make === undefined) throw badMessage();
  return bind(make(reference), reference);
}
