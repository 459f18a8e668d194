// The functions that only forked children call. V8 compiles a function when it is first called, and
// each child would do so anew, which takes far longer than running it: so the parent has them
// compiled before it forks (fork/precompile.ts).

export type AnyFunction = (...args: never[]) => unknown;

const functions = new Set<AnyFunction>();

/** Registers functions, not classes, that run in children and hardly ever in a parent. */
export function precompileForChildren(...some: AnyFunction[]): void {
  for (const fn of some) functions.add(fn);
}

/** All that were registered. */
export function functionsOfChildren(): AnyFunction[] {
  return [...functions];
}
