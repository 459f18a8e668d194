// Functions that processes with a common past know each other by: what runs in children, and what
// it sees is in all of them.
import { randomBytes } from 'node:crypto';
import { onForkedChild } from '../common/per-process.js';

/** A function or a class. */
type Code = ((...args: never[]) => unknown) | (new (...args: never[]) => unknown);

const ids = new WeakMap<Code, string>();
/**
 * In the order in which they were first seen, here and in the processes that this one is a fork of.
 */
const known = new Map<string, WeakRef<Code>>();
const collected = new FinalizationRegistry<string>((id) => known.delete(id));

/** Begins the names that this process gives: no other process gives the same. */
let prefix: string | undefined;
let count = 0;

onForkedChild(() => (prefix = undefined));

/** Says that `code` is about to run in children, or can be asked to. Nothing keeps it alive. */
export function rememberCode(code: Code): void {
  if (ids.has(code)) return;
  prefix ??= randomBytes(16).toString('hex');
  const id = `${prefix}:${++count}`;
  ids.set(code, id);
  known.set(id, new WeakRef(code));
  collected.register(code, id);
}

/**
 * Says that all that was remembered so far is this package's own, which has no errors of its own to
 * be found.
 */
export function forgetCode(): void {
  known.clear();
}

/**
 * How many functions have been remembered so far: what was not found may be found when there are
 * more.
 */
export function countOfCode(): number {
  return count;
}

/** The functions that are known, with their names. */
export function* knownCode(): Iterable<[id: string, code: Code]> {
  for (const [id, reference] of known) {
    const code = reference.deref();
    if (code !== undefined) yield [id, code];
  }
}

/** The function of that name; undefined if this process does not have it, or not any more. */
export function codeNamed(id: unknown): Code | undefined {
  return known.get(id as string)?.deref();
}
