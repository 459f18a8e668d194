// Ways through the memory of a program: from a function, through variables that it sees and
// properties, to an object. The same way leads to the same object in a fork.
import { types } from 'node:util';
import { copyOfProcess, nodeGlobal, process } from '../common/originals.js';
import { rememberCode } from '../fork/known-code.js';
import { ScopeReader } from '../fork/node-internals.js';
import { close } from '../posix/descriptors.js';

/** From one object to the next: a variable that a function sees, a property, or the prototype. */
export type Step = readonly ['variable' | 'property', name: string] | readonly ['prototype'];

/** How many functions to look into, which takes a tenth of a millisecond each. */
const MAX_LOOKS = 100;
const MAX_POINTS = 2000;
const MAX_STEPS = 4;
/** An array or a table is no place for a class. */
const MAX_PROPERTIES = 500;

/** Everything leads there, and nothing from there to what a program has. */
const OF_THE_LANGUAGE = new Set<object>([
  Array.prototype,
  Error,
  Error.prototype,
  Function.prototype,
  globalThis,
  nodeGlobal,
  Object.prototype,
  copyOfProcess,
  process,
]);

/** An object or a function. */
type Place = object;

/** Functions of this package, at least one of each file that it is made of. */
const OURS = [rememberCode, close];
let ourFiles: Set<unknown> | undefined;

function isPlace(value: unknown): value is Place {
  const isObject = typeof value === 'object' ? value !== null : typeof value === 'function';
  return isObject && !OF_THE_LANGUAGE.has(value as object) && !types.isProxy(value);
}

/** Whether it is a function, and one in JavaScript. */
function isWritten(place: Place): boolean {
  if (typeof place !== 'function') return false;
  return !Function.prototype.toString.call(place).endsWith('{ [native code] }');
}

function propertyOf(place: Place, name: string): unknown {
  try {
    return Reflect.getOwnPropertyDescriptor(place, name)?.value;
  } catch {
    return undefined; // an export of a module that has not got so far
  }
}

/** Somewhere on the way from a start. */
interface Point<Start> {
  readonly start: Start;
  readonly place: Place;
  readonly steps: readonly Step[];
  /** Where one has been from that start. */
  readonly seen: Set<Place>;
}

/** A way from a start to what was looked for. */
export interface Way<Start> {
  readonly start: Start;
  readonly steps: readonly Step[];
}

/** Looks around in the memory. It only reads, and calls nothing of the program. */
export class Paths {
  readonly #reader = new ScopeReader();
  #looks = 0;

  /** Where `steps` lead to; undefined: nowhere. */
  follow(start: Place, steps: readonly Step[]): unknown {
    let place: unknown = start;
    for (const step of steps) {
      if (!isPlace(place)) return undefined;
      place = this.#take(place, step);
    }
    return place;
  }

  /** The ways to `goal` that have the fewest steps. */
  find<Start extends { readonly place: Place }>(
    starts: readonly Start[],
    goal: Place,
  ): Way<Start>[] {
    let points: Point<Start>[] = starts.map((start) => ({
      start,
      place: start.place,
      steps: [],
      seen: new Set(),
    }));
    for (let depth = 0; depth < MAX_STEPS; depth++) {
      points = points.flatMap((point) => [...this.#around(point)]).slice(0, MAX_POINTS);
      const found = points.filter(({ place }) => place === goal);
      if (found.length > 0) return found;
    }
    return [];
  }

  close(): void {
    this.#reader.close();
  }

  *#around<Start>({ start, place: from, steps, seen }: Point<Start>): Iterable<Point<Start>> {
    for (const [step, place] of this.#stepsFrom(from)) {
      if (!isPlace(place) || seen.has(place)) continue;
      seen.add(place);
      yield { start, place, steps: [...steps, step], seen };
    }
  }

  *#stepsFrom(place: Place): Iterable<[Step, unknown]> {
    if (isWritten(place) && this.#looks++ < MAX_LOOKS && this.#isOfProgram(place)) {
      const variables = Object.entries(this.#reader.read(place));
      for (const [name, value] of variables) yield [['variable', name], value];
    }
    const names = Reflect.ownKeys(place).filter((key) => typeof key === 'string');
    if (names.length > MAX_PROPERTIES) return;
    for (const name of names) yield [['property', name], propertyOf(place, name)];
    yield [['prototype'], Reflect.getPrototypeOf(place)];
  }

  /** Functions of this package are left out: they see very much, and nothing of the program's. */
  #isOfProgram(place: Place): boolean {
    ourFiles ??= new Set(OURS.map((fn) => this.#reader.fileOf(fn)));
    return !ourFiles.has(this.#reader.fileOf(place));
  }

  #take(place: Place, [kind, name]: Step): unknown {
    if (kind === 'prototype') return Reflect.getPrototypeOf(place);
    if (kind === 'property') return propertyOf(place, name);
    return isWritten(place) ? this.#reader.read(place)[name] : undefined;
  }
}
