// Registrations with classes of managers. Each class has its own, and those of the classes that it
// extends.
import { functionsOf } from './functions.js';
import type { ProxyClass } from './protocol/reference.js';
import type { RegisteredType, Registry } from './server/types.js';

const types = new WeakMap<object, Map<string, RegisteredType>>();

/** By typeid, whatever the class. */
const proxyTypes = new Map<string, Set<ProxyClass>>();

export function registerType(Class: object, type: RegisteredType): void {
  const { typeid, proxyType } = type;
  let own = types.get(Class);
  if (own === undefined) types.set(Class, (own = new Map<string, RegisteredType>()));
  own.set(typeid, type);
  if (proxyType === undefined) return;
  const all = proxyTypes.get(typeid) ?? new Set<ProxyClass>();
  proxyTypes.set(typeid, all.add(proxyType));
}

function* lineage(Class: object): Iterable<object> {
  let each: object | null = Class;
  for (; each !== null; each = Reflect.getPrototypeOf(each)) yield each;
}

function typesOf(Class: object): Registry['types'] {
  const all = new Map<string, RegisteredType>();
  for (const each of lineage(Class)) {
    for (const [typeid, type] of types.get(each) ?? []) {
      if (!all.has(typeid)) all.set(typeid, type);
    }
  }
  return all;
}

export function registryOf(Class: object): Registry {
  return { types: typesOf(Class), functions: functionsOf(Class) };
}

/**
 * The class of the proxies of a type.
 *
 * @param Class of managers; undefined if that is not known: then, if there is only one that anybody
 *   has registered
 */
export function proxyTypeOf(Class: object | undefined, typeid: string): ProxyClass | undefined {
  if (Class === undefined) {
    const [first, second] = proxyTypes.get(typeid) ?? [];
    return second === undefined ? first : undefined;
  }
  for (const each of lineage(Class)) {
    const type = types.get(each)?.get(typeid);
    if (type !== undefined) return type.proxyType;
  }
  return undefined;
}

function haveSame<T>(a: ReadonlyMap<string, T>, b: ReadonlyMap<string, T>): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}

function proxyTypesOf(Class: object): Map<string, ProxyClass> {
  const all = new Map<string, ProxyClass>();
  for (const [typeid, { proxyType }] of typesOf(Class)) {
    if (proxyType !== undefined) all.set(typeid, proxyType);
  }
  return all;
}

/** Whether a process can have the same proxies for managers of both classes. */
export function areAlike(A: object, B: object): boolean {
  if (A === B) return true;
  return haveSame(proxyTypesOf(A), proxyTypesOf(B)) && haveSame(functionsOf(A), functionsOf(B));
}
