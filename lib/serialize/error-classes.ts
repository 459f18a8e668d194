// Classes of errors that a program has, told to its relatives: processes share what existed when
// they parted, and so a class can be found there by the way to it from a function that both know
// (known-code.ts). Nothing is ever made from what is told, and nothing of it is called.
import { createHash } from 'node:crypto';
import { codeNamed, countOfCode, knownCode } from '../fork/known-code.js';
import { dataOf, knownClassOf, prototypesOf } from './known-errors.js';
import { Paths, type Step } from './object-paths.js';

/** A way to a class. */
interface ToClass {
  code: string;
  steps: readonly Step[];
}

/** The description of a class that goes with an error. */
export interface ClassTrace {
  /** A digest of what it and those that it extends are called, and of their source. */
  likeness: string;
  ways: ToClass[];
}

/** How many of the known functions to begin at: as many of the first, and of the last. */
const MAX_STARTS = 32;
/** More help nobody: a receiver that does not know one function rarely knows another. */
const MAX_WAYS = 3;
const MAX_UNRESOLVED = 256;

type Class = (abstract new (...args: never[]) => unknown) & { name: string };

/** The class whose prototype this is. */
function classOf(prototype: object): Class | undefined {
  const found = dataOf(prototype, 'constructor');
  const isClass = typeof found === 'function' && dataOf(found, 'prototype') === prototype;
  return isClass ? (found as Class) : undefined;
}

function likenessOf(prototype: object): string {
  const hash = createHash('sha256');
  for (const each of [prototype, ...prototypesOf(prototype)]) {
    const known = knownClassOf(each);
    const own = known === undefined ? classOf(each) : undefined;
    const source = own && `${String(dataOf(own, 'name'))} ${Function.prototype.toString.call(own)}`;
    hash.update(JSON.stringify([known, source]));
    if (known !== undefined) break;
  }
  return hash.digest('base64url');
}

function startsOfSearch(): { place: object; id: string }[] {
  const all = [...knownCode()].map(([id, place]) => ({ id, place }));
  return all.length > 2 * MAX_STARTS
    ? [...all.slice(0, MAX_STARTS), ...all.slice(-MAX_STARTS)]
    : all;
}

function search(prototype: object, found: Class): ClassTrace | undefined {
  const paths = new Paths();
  try {
    const ways = paths.find(startsOfSearch(), found).slice(0, MAX_WAYS);
    if (ways.length === 0) return undefined;
    const toClass = ways.map(({ start: { id: code }, steps }) => ({ code, steps }));
    return { likeness: likenessOf(prototype), ways: toClass };
  } finally {
    paths.close();
  }
}

/** Descriptions that were found, and how many functions were known then. */
const traces = new WeakMap<object, { trace: ClassTrace | undefined; count: number }>();

/** How a relative can find the class of an error, which is not one that every process has. */
export function traceOf(prototype: object): ClassTrace | undefined {
  const found = classOf(prototype);
  if (found === undefined) return undefined;
  const before = traces.get(prototype);
  if (before !== undefined && (before.trace !== undefined || before.count === countOfCode())) {
    return before.trace;
  }
  let trace: ClassTrace | undefined;
  try {
    trace = search(prototype, found);
  } catch {
    // Without an inspector nobody can look.
  }
  traces.set(prototype, { trace, count: countOfCode() });
  return trace;
}

const resolved = new Map<string, WeakRef<object>>();
const unresolved = new Set<string>();

function follow(start: object, { steps }: ToClass): object | undefined {
  const paths = new Paths();
  try {
    const found = paths.follow(start, steps);
    const prototype = typeof found === 'function' ? dataOf(found, 'prototype') : undefined;
    return typeof prototype === 'object' && prototype !== null ? prototype : undefined;
  } catch {
    return undefined;
  } finally {
    paths.close();
  }
}

function resolveWay(way: ToClass, likeness: string): object | undefined {
  const start = codeNamed(way.code);
  if (start === undefined) return undefined;
  const key = JSON.stringify([likeness, way]);
  const before = resolved.get(key)?.deref();
  if (before !== undefined || unresolved.has(key)) return before;
  const prototype = follow(start, way);
  const isLike = prototype !== undefined && likenessOf(prototype) === likeness;
  if (isLike) {
    resolved.set(key, new WeakRef(prototype));
    return prototype;
  }
  if (unresolved.size === MAX_UNRESOLVED) unresolved.clear();
  unresolved.add(key);
  return undefined;
}

/**
 * The prototype of the first of the classes that a relative has told of and this process has.
 * Throws where the traces are made up.
 *
 * @param base the nearest class that every process has, which they must extend
 */
export function prototypeFrom(told: readonly ClassTrace[], base: object): object | undefined {
  for (const { likeness, ways } of told) {
    for (const way of ways.slice(0, MAX_WAYS)) {
      const prototype = resolveWay(way, likeness);
      const isRight =
        prototype !== undefined && Object.prototype.isPrototypeOf.call(base, prototype);
      if (isRight) return prototype;
    }
  }
  return undefined;
}
