// Dicts and namespaces, which read like objects.
import { inspect } from 'node:util';
import { invalidType } from '../../../common/validate.js';
import { bind, type Makers, type Reference } from '../../protocol/reference.js';
import { makeProxiesSendable } from '../sending.js';

const NAMES: Record<string, string> = { dict: 'DictProxy', Namespace: 'NamespaceProxy' };

function contents(reference: Reference): unknown {
  return reference.call('getValue');
}

function show(reference: Reference): string {
  const name = NAMES[reference.kind]!;
  try {
    return `${name} ${inspect(contents(reference))}`;
  } catch {
    return `<${name}>`;
  }
}

/** As Python has it: `Namespace(x=1, y=2)`. */
function namespaceToString(reference: Reference): string {
  const entries = Object.entries(contents(reference) as object);
  return `Namespace(${entries.map(([name, value]) => `${name}=${inspect(value)}`).join(', ')})`;
}

/** The properties that such a proxy answers itself: all that have no string for a name. */
function ownSymbols(reference: Reference): Map<symbol, unknown> {
  const toText = reference.kind === 'Namespace' ? namespaceToString : show;
  return new Map<symbol, unknown>([
    [inspect.custom, () => show(reference)],
    [Symbol.toPrimitive, () => toText(reference)],
  ]);
}

function refuseSymbol(key: symbol): never {
  throw invalidType('key', 'of type string', key);
}

/** Whether a name belongs to the proxy and not to the object, as in Python. */
type IsLocal = (key: string) => boolean;

class DictHandler implements ProxyHandler<Record<PropertyKey, unknown>> {
  readonly #reference: Reference;
  readonly #isLocal: IsLocal;
  readonly #symbols: Map<symbol, unknown>;

  constructor(reference: Reference, isLocal: IsLocal) {
    this.#reference = reference;
    this.#isLocal = isLocal;
    this.#symbols = ownSymbols(reference);
  }

  get(target: Record<PropertyKey, unknown>, key: string | symbol): unknown {
    if (typeof key === 'symbol') return this.#symbols.get(key);
    if (this.#isLocal(key)) return target[key];
    return key === 'then' ? this.#then() : this.#reference.call('get', key);
  }

  set(target: Record<PropertyKey, unknown>, key: string | symbol, value: unknown): boolean {
    if (typeof key === 'symbol') refuseSymbol(key);
    if (this.#isLocal(key)) target[key] = value;
    else this.#reference.call('set', key, value);
    return true;
  }

  has(target: Record<PropertyKey, unknown>, key: string | symbol): boolean {
    if (typeof key === 'symbol') return false;
    return this.#isLocal(key) ? key in target : (this.#reference.call('has', key) as boolean);
  }

  deleteProperty(target: Record<PropertyKey, unknown>, key: string | symbol): boolean {
    if (typeof key === 'symbol') return true;
    if (this.#isLocal(key)) return Reflect.deleteProperty(target, key);
    this.#reference.call('delete', key);
    return true;
  }

  defineProperty(
    target: Record<PropertyKey, unknown>,
    key: string | symbol,
    property: PropertyDescriptor,
  ): boolean {
    const isValue = 'value' in property && property.get === undefined;
    return isValue && this.set(target, key, property.value);
  }

  ownKeys(): string[] {
    return this.#reference.call('keys') as string[];
  }

  getOwnPropertyDescriptor(
    target: Record<PropertyKey, unknown>,
    key: string | symbol,
  ): PropertyDescriptor | undefined {
    if (typeof key === 'symbol') return undefined;
    if (this.#isLocal(key)) return Reflect.getOwnPropertyDescriptor(target, key);
    const [isThere, value] = this.#reference.call('lookUp', key) as [boolean, unknown];
    if (!isThere) return undefined;
    return { value, configurable: true, enumerable: true, writable: true };
  }

  preventExtensions(): boolean {
    return false;
  }

  /**
   * A key like any other, but each promise that has the proxy for its value asks for it, where
   * nobody expects an error, and where nothing may wait: whoever receives a proxy by a promise has
   * not used it yet.
   */
  #then(): unknown {
    const reference = this.#reference;
    try {
      if (reference.isFresh || reference.target.mustNotBlock) return undefined;
      return reference.call('get', 'then');
    } catch {
      return undefined;
    }
  }

  setPrototypeOf(): boolean {
    return false;
  }
}

/** By which proxies are known when they are sent. It has nothing. */
const PROTOTYPE = Object.create(null) as object;
makeProxiesSendable('dict', PROTOTYPE);

function make(reference: Reference, isLocal: IsLocal): object {
  const handler = new DictHandler(reference, isLocal);
  // util.inspect() looks at the target, and not through the handler.
  const target = Object.create(PROTOTYPE, {
    [inspect.custom]: { value: () => show(reference), configurable: true },
  }) as Record<PropertyKey, unknown>;
  return bind(new Proxy(target, handler), reference);
}

export const dictMakers: Makers = {
  dict: (reference) => make(reference, () => false),
  Namespace: (reference) => make(reference, (key) => key.startsWith('_')),
};
