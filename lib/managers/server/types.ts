// The types of a manager, on the side of the server.
import { ProcessError } from '../../common/errors.js';
import { booleanOption, functionOption, optionsReader, type Reader } from '../../common/options.js';
import { assertFunction, assertString, assertType } from '../../common/validate.js';
import { rememberCode } from '../../fork/known-code.js';
import type { Functions } from '../functions.js';
import { GET, ITERATE, SET } from '../protocol/protocol.js';
import type { ProxyClass, Shape } from '../protocol/reference.js';
import type { ClientCall } from './session.js';

/** One thing that can be done with an object. May return a promise. */
export type Operation<T = never> = (referent: T, args: never[], call: ClientCall) => unknown;

/** The operations on an object of one type. */
export interface Behaviour {
  /** Which kind of proxy it has. */
  readonly kind: string;
  /** For the kind `object`. */
  readonly shape?: Shape;
  readonly operations: ReadonlyMap<string, Operation>;
  /** Methods whose results are objects of the manager, and of which type. */
  readonly methodToTypeid: ReadonlyMap<string, string>;
  /** Called when nobody has the object any more. */
  readonly end?: (referent: unknown) => void;
}

const NONE: ReadonlyMap<string, string> = new Map();

/** Arguments come from elsewhere: each operation checks its own, or what it calls does. */
type Arguments = any;

export type Operations<T> = Record<
  string,
  (referent: T, args: Arguments, call: ClientCall) => unknown
>;

/** The behaviour of one of our own classes. */
export function behaviourOf<T>(kind: string, operations: Operations<T>): Behaviour {
  return {
    kind,
    operations: new Map(Object.entries(operations)) as ReadonlyMap<string, Operation>,
    methodToTypeid: NONE,
  };
}

/** By class, also of what programs make themselves. */
const behaviours = new Map<new (...args: never[]) => object, Behaviour>();

/** Objects of `Class` always behave so. */
export function setBehaviour(
  Class: new (...args: never[]) => object,
  behaviour: Behaviour,
): Behaviour {
  behaviours.set(Class, behaviour);
  return behaviour;
}

function knownBehaviour(referent: object): Behaviour | undefined {
  for (const [Class, behaviour] of behaviours) {
    if (referent instanceof Class) return behaviour;
  }
  return undefined;
}

/** How to register a type: see `BaseManager.register`. */
export interface RegisterOptions {
  /**
   * The names of the methods and properties that clients can use. Default: those of the class and
   * of the classes that it extends, without those that begin with `_`.
   */
  exposed?: readonly string[] | undefined;
  /** A class of proxies that extends `BaseProxy`. Default: one with the exposed methods. */
  proxyType?: ProxyClass | undefined;
  /**
   * Methods whose results stay in the server, by the type that they are there: clients get a proxy.
   */
  methodToTypeid?: Readonly<Record<string, string>> | undefined;
  /** Whether the manager gets a method of that name. Default: true. */
  createMethod?: boolean | undefined;
}

export type Callable = (new (...args: never[]) => unknown) | ((...args: never[]) => unknown);

function namesOption(names: unknown, name: string): readonly string[] {
  const isRight = Array.isArray(names) && names.every((each) => typeof each === 'string');
  assertType(isRight, name, 'an array of strings', names);
  return names as string[];
}

function typeidsOption(typeids: unknown, name: string): Readonly<Record<string, string>> {
  const isObject = typeof typeids === 'object' && typeids !== null;
  const isRight = isObject && Object.values(typeids).every((each) => typeof each === 'string');
  assertType(isRight, name, 'an object of strings', typeids);
  return typeids as Record<string, string>;
}

export const readRegisterOptions: Reader<RegisterOptions> = optionsReader('register()', {
  exposed: namesOption,
  proxyType: functionOption,
  methodToTypeid: typeidsOption,
  createMethod: booleanOption,
});

/** Whether it is to be called with `new`: a class, or a constructor of the language. */
function isClass(callable: Callable): callable is new (...args: never[]) => unknown {
  return Object.getOwnPropertyDescriptor(callable, 'prototype')?.writable === false;
}

/** Never exposed, whatever a program says. */
const FORBIDDEN = new Set(['constructor', '__proto__']);

/** The members of a class and of those that it extends, but not of Object. */
function membersOf(referent: object): Map<string, PropertyDescriptor> {
  const members = new Map<string, PropertyDescriptor>();
  let prototype = Object.getPrototypeOf(referent) as object | null;
  while (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (!members.has(name) && !FORBIDDEN.has(name)) members.set(name, member);
    }
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  return members;
}

function isOwnFunction(referent: object, name: string): boolean {
  return typeof Object.getOwnPropertyDescriptor(referent, name)?.value === 'function';
}

function shapeOf(referent: object, exposed: readonly string[] | undefined): Shape {
  const members = membersOf(referent);
  const publicNames = [...members.keys()].filter((name) => !name.startsWith('_'));
  const names = (exposed ?? publicNames).filter((name) => !FORBIDDEN.has(name));
  const shape: Shape = { methods: [], properties: {}, isIterable: Symbol.iterator in referent };
  for (const name of names) {
    const member = members.get(name);
    if (typeof member?.value === 'function' || isOwnFunction(referent, name)) {
      shape.methods.push(name);
    } else if (member === undefined || member.get !== undefined) {
      shape.properties[name] = member === undefined || member.set !== undefined;
    }
  }
  return shape;
}

type Members = Record<string, unknown>;
type Method = (...args: never[]) => unknown;

function operationsOf({ methods, properties, isIterable }: Shape): Map<string, Operation> {
  const operations = new Map<string, Operation>();
  const add = (name: string, operation: Operation<Members>): void => {
    operations.set(name, operation);
  };
  for (const name of methods) {
    add(name, (referent, args) => (referent[name] as Method).apply(referent, args));
  }
  for (const [name, isWritable] of Object.entries(properties)) {
    add(GET + name, (referent) => referent[name]);
    if (isWritable) add(SET + name, (referent, [value]) => void (referent[name] = value));
  }
  if (isIterable) {
    add(ITERATE, (referent) => (referent as unknown as Iterable<unknown>)[Symbol.iterator]());
  }
  return operations;
}

/** A type that clients can make objects of. */
export class RegisteredType {
  readonly typeid: string;
  readonly #callable: Callable | undefined;
  readonly #exposed: readonly string[] | undefined;
  readonly #methodToTypeid: ReadonlyMap<string, string>;
  readonly proxyType: ProxyClass | undefined;

  constructor(typeid: string, callable: Callable | undefined, options: RegisterOptions) {
    const { exposed, methodToTypeid = {}, proxyType } = options;
    assertString(typeid, 'typeid');
    if (callable !== undefined) {
      assertFunction(callable, 'callable');
      rememberCode(callable);
    }
    this.proxyType = proxyType;
    this.typeid = typeid;
    this.#callable = callable;
    this.#exposed = exposed;
    this.#methodToTypeid = new Map(Object.entries(methodToTypeid));
  }

  /** Makes what a client asks for. */
  make(args: readonly never[]): unknown {
    const callable = this.#callable;
    if (callable === undefined) {
      throw new ProcessError(
        'ERR_TRUEFORK_NO_SUCH_TYPE',
        `objects of type '${this.typeid}' are not made by clients`,
      );
    }
    return isClass(callable) ? new callable(...args) : callable(...args);
  }

  /** Makes an object of this type of the result of a method. */
  wrap(value: unknown): unknown {
    return this.#callable === undefined ? value : this.make([value as never]);
  }

  /** @throws TypeError if it is no object */
  behaviourOf(referent: unknown): Behaviour {
    const isObject = typeof referent === 'object' || typeof referent === 'function';
    const isRight = isObject && referent !== null;
    assertType(isRight, this.typeid, 'made by a function that returns an object', referent);
    const known = knownBehaviour(referent as object);
    if (known !== undefined) return known;
    const shape = shapeOf(referent as object, this.#exposed);
    const operations = operationsOf(shape);
    return { kind: 'object', shape, operations, methodToTypeid: this.#methodToTypeid };
  }
}

/** Types and functions that a server offers. */
export interface Registry {
  readonly types: ReadonlyMap<string, RegisteredType>;
  readonly functions: Functions;
}
