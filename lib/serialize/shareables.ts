// Objects that are more than data, and how they go to other processes all the same: each class says
// how its objects are taken apart, into data, descriptors and objects of such classes, and how they
// are put together again.
import { ProcessError } from '../common/errors.js';
import { isMadeBy } from '../common/receivers.js';
/**
 * How descriptors go to the receiver: beside the bytes, which go through a Unix socket; apart, and
 * the receiver gets them from this process; so, too, between a manager's server and its clients,
 * who know the manager's objects; not at all, for it may be on another machine.
 */
export type FdTransport = 'beside' | 'apart' | 'managed' | 'impossible';

/**
 * Attachments of a message that is being made: they go along with the data of an object that is
 * taken apart.
 */
export interface Attachments {
  /** How it goes. */
  readonly transport: FdTransport;
  /**
   * Sends a descriptor, which stays open here.
   *
   * @returns what {@link Delivered.descriptor} is to be asked for
   */
  descriptor(fd: number): number;
  /**
   * Sends memory of lib/memory/heap.ts, once in a message.
   *
   * @returns what {@link Delivered.memory} is to be asked for
   * @throws ProcessError `ERR_TRUEFORK_NOT_SHAREABLE` if it has no descriptor
   */
  memory(buffer: ArrayBuffer): number;
  /** Has `undo` called if the message is not sent after all. */
  onDiscard(undo: () => void): void;
}

/** Attachments of a message that was received. */
export interface Delivered {
  /** A descriptor, which is the caller's. @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE` */
  descriptor(number: unknown): number;
  /**
   * Memory: for those who ask for the same number, the same mapping.
   *
   * @param fresh whether it is to be another one than those that this process has of it
   * @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE`, SystemError
   */
  memory(number: unknown, fresh?: boolean): ArrayBuffer;
}

/** How the objects of a class are sent. Peers may have made up the parts: check them. */
export interface Recipe<T extends object, Parts> {
  toParts(object: T, attachments: Attachments): Parts;
  fromParts(parts: Parts, delivered: Delivered): T;
}

interface Entry {
  readonly name: string;
  readonly recipe: Recipe<object, unknown>;
}

function impostorError(name: string): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_NOT_CLONABLE',
    `cannot send an object that has the prototype of ${name}, and was not made by that class`,
  );
}

const byPrototype = new Map<object, Entry>();
const byName = new Map<string, Entry>();

/**
 * Says how objects of a class are sent, and those of its subclasses, which arrive as objects of
 * this one.
 *
 * @param name what the class is called in messages
 */
export function makeShareable<T extends object, Parts>(
  name: string,
  Class: { prototype: T },
  recipe: Recipe<T, Parts>,
): void {
  const genuine: Recipe<T, Parts> = {
    toParts(object, attachments) {
      if (!isMadeBy(Class, object)) throw impostorError(name);
      return recipe.toParts(object, attachments);
    },
    fromParts: recipe.fromParts,
  };
  const entry = { name, recipe: genuine as unknown as Recipe<object, unknown> };
  byPrototype.set(Class.prototype, entry);
  byName.set(name, entry);
}

const views = new WeakMap<object, Entry>();

/** Says that this typed array, unlike others, is sent as an object of the class of that name. */
export function makeViewShareable(view: ArrayBufferView, name: string): void {
  views.set(view, byName.get(name)!);
}

/** How to send `object`; undefined if it is data. */
export function entryFor(object: object): Entry | undefined {
  if (ArrayBuffer.isView(object)) {
    const entry = views.get(object);
    if (entry !== undefined) return entry;
  }
  let prototype = Object.getPrototypeOf(object) as object | null;
  while (prototype !== null) {
    const entry = byPrototype.get(prototype);
    if (entry !== undefined) return entry;
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  return undefined;
}

/**
 * As {@link makeShareable}, for objects of which there is no class: see {@link makeViewShareable}.
 */
export function makeShareableByName<T extends object, Parts>(
  name: string,
  recipe: Recipe<T, Parts>,
): void {
  byName.set(name, { name, recipe });
}

export function entryNamed(name: unknown): Entry | undefined {
  return byName.get(name as string);
}

/** Whether there is a way to send `value` that is not that of data. */
export function isShareable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && entryFor(value) !== undefined;
}
