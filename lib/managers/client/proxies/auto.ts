// Proxies for objects of a program's own classes: with the methods and properties that are exposed.
import { badMessage } from '../../../serialize/clone.js';
import { GET, ITERATE, SET } from '../../protocol/protocol.js';
import { type Makers, type Reference, referenceOf, type Shape } from '../../protocol/reference.js';
import { BaseProxy } from './base.js';

type Maker = new (reference: Reference) => object;

/** A class for each shape. */
const classes = new Map<string, Maker>();
/** Shapes may be made up: the oldest are forgotten when there are more. */
const MAX_CLASSES = 1000;

/** Names that the language, or a promise, asks all objects for. */
const RESERVED = new Set(['then', 'constructor', '__proto__']);

function define(Class: typeof BaseProxy, name: string | symbol, member: PropertyDescriptor): void {
  Object.defineProperty(Class.prototype, name, { configurable: true, ...member });
}

function makeClass({ methods, properties, isIterable }: Shape): Maker {
  class AutoProxy extends BaseProxy {}
  for (const name of methods) {
    if (RESERVED.has(name)) continue;
    define(AutoProxy, name, {
      value(this: object, ...args: unknown[]): unknown {
        return referenceOf(this).call(name, ...args);
      },
    });
  }
  for (const [name, isWritable] of Object.entries(properties)) {
    if (RESERVED.has(name)) continue;
    const get = function (this: object): unknown {
      return referenceOf(this).call(GET + name);
    };
    const set = function (this: object, value: unknown): void {
      referenceOf(this).call(SET + name, value);
    };
    define(AutoProxy, name, isWritable ? { get, set } : { get });
  }
  if (isIterable) {
    define(AutoProxy, Symbol.iterator, {
      value(this: object): unknown {
        return referenceOf(this).call(ITERATE);
      },
    });
  }
  return AutoProxy;
}

function classFor(shape: Shape): Maker {
  const name = JSON.stringify(shape);
  const known = classes.get(name);
  if (known !== undefined) return known;
  const [oldest] = classes.keys();
  if (classes.size === MAX_CLASSES) classes.delete(oldest!);
  const Class = makeClass(shape);
  classes.set(name, Class);
  return Class;
}

function make(reference: Reference): object {
  const { shape } = reference;
  if (shape === undefined) throw badMessage();
  return new (classFor(shape))(reference);
}

export const autoMakers: Makers = { object: make };
