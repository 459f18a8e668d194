// Proxies for objects of a program's own classes: with the methods and properties that are exposed.
import { badMessage } from '../../clone.js';
import { type Makers, type Reference, referenceOf, type Shape } from '../reference.js';
import { GET, ITERATE, SET } from '../names.js';
import { BaseProxy } from './base.js';

type Maker = new (reference: Reference) => object;

/** A class for each shape. */
const classes = new Map<string, Maker>();

function define(Class: typeof BaseProxy, name: string | symbol, member: PropertyDescriptor): void {
  Object.defineProperty(Class.prototype, name, { configurable: true, ...member });
}

function makeClass({ methods, properties, isIterable }: Shape): Maker {
  class AutoProxy extends BaseProxy {}
  for (const name of methods) {
    define(AutoProxy, name, {
      value(this: object, ...args: unknown[]): unknown {
        return referenceOf(this).call(name, ...args);
      },
    });
  }
  for (const [name, isWritable] of Object.entries(properties)) {
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

function make(reference: Reference): object {
  const { shape } = reference;
  if (shape === undefined) throw badMessage();
  const name = JSON.stringify(shape);
  let Class = classes.get(name);
  if (Class === undefined) classes.set(name, (Class = makeClass(shape)));
  return new Class(reference);
}

export const autoMakers: Makers = { object: make };
