// Objects that are more than data, and how they go to other processes all the same: each class says
// how its objects are taken apart, into data, descriptors and objects of such classes, and how they are
// put together again.

/** What goes along with the data of an object that is taken apart. */
export interface Luggage {
  /**
   * Sends a descriptor, which stays open here.
   *
   * @returns what {@link Delivered.descriptor} is to be asked for
   */
  descriptor(fd: number): number;
}

/** What has come along. */
export interface Delivered {
  /** A descriptor, which is the caller's. @throws ProcessError `ERR_TRUEFORK_BAD_MESSAGE` */
  descriptor(number: unknown): number;
}

/** How the objects of a class are sent. Peers may have made up the parts: check them. */
export interface Recipe<T extends object, Parts> {
  takeApart(object: T, luggage: Luggage): Parts;
  putTogether(parts: Parts, delivered: Delivered): T;
}

interface Entry {
  readonly name: string;
  readonly recipe: Recipe<object, unknown>;
}

const byPrototype = new Map<object, Entry>();
const byName = new Map<string, Entry>();

/**
 * Says how objects of a class are sent, and those of its subclasses, which arrive as objects of this one.
 *
 * @param name what the class is called in messages
 */
export function makeShareable<T extends object, Parts>(
  name: string,
  Class: { prototype: T },
  recipe: Recipe<T, Parts>,
): void {
  const entry = { name, recipe: recipe as unknown as Recipe<object, unknown> };
  byPrototype.set(Class.prototype, entry);
  byName.set(name, entry);
}

/** How to send `object`; undefined if it is data. */
export function entryFor(object: object): Entry | undefined {
  let prototype = Object.getPrototypeOf(object) as object | null;
  while (prototype !== null) {
    const entry = byPrototype.get(prototype);
    if (entry !== undefined) return entry;
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  return undefined;
}

export function entryNamed(name: unknown): Entry | undefined {
  return byName.get(name as string);
}

/** Whether there is a way to send `value` that is not that of data. */
export function isShareable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && entryFor(value) !== undefined;
}
