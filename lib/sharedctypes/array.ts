// Arrays in shared memory.
import {
  assertInteger,
  assertIterable,
  assertType,
  invalidThis,
  outOfRange,
} from '../common/validate.js';
import {
  allocateForViews,
  type PlaceParts,
  receiveSpace,
  sendSpace,
  type Space,
} from '../memory/heap.js';
import { munmap } from '../posix/memory.js';
import {
  type Delivered,
  type Attachments,
  makeShareable,
  makeShareableByName,
  makeViewShareable,
  type Recipe,
} from '../serialize/shareables.js';
import { assertLock, type DataLock, lockFrom, type LockOptions } from './data-lock.js';
import {
  type ArrayClass,
  type ArrayTypes,
  type Element,
  type ElementOf,
  type ElementType,
  type TypeCode,
  typeOf,
  type ValueOf,
} from './type-codes.js';

/** The contents of a new array: how many elements (zeros), or the elements. */
export type ArrayInit<Code extends TypeCode> = number | Iterable<ElementOf<Code> | ValueOf<Code>>;

/** The elements, once all of them are known to fit. */
function elementsFrom(type: ElementType, source: unknown): ArrayLike<Element> {
  assertIterable(source, 'sizeOrIterable');
  const elements = type.elementsOf?.(source) ?? Array.from(source as Iterable<Element>);
  assertElements(type, elements);
  return elements;
}

/** Throws if one of them does not fit. */
function assertElements(type: ElementType, elements: ArrayLike<unknown>): void {
  if (type.isWhole && ArrayBuffer.isView(elements) && elements instanceof type.array) return;
  for (let i = 0; i < elements.length; i++) type.check(elements[i], i);
}

const AnyTypedArray = Object.getPrototypeOf(Uint8Array) as abstract new () => object;

/** How many elements `source` has, which must be something like an array. */
function lengthOf(source: unknown): number {
  const isImpostor = source instanceof AnyTypedArray && !ArrayBuffer.isView(source);
  const { length } = (isImpostor ? {} : Object(source)) as { length?: unknown };
  const isLikeArray = Number.isSafeInteger(length) && (length as number) >= 0;
  assertType(isLikeArray, 'source', 'an array, a typed array or an index', source);
  return length as number;
}

/** Makes the memory, then `make` the array over it. */
function build<Made extends Uint8Array<ArrayBuffer>>(
  type: ElementType,
  init: unknown,
  make: (space: Space, length: number) => Made,
): Made {
  if (typeof init === 'number') {
    assertInteger(init, 'size', 0);
    return make(allocateForViews(init * type.size), init);
  }
  const elements = elementsFrom(type, init);
  const array = make(allocateForViews(elements.length * type.size), elements.length);
  type.array.prototype.set.call(array, elements);
  return array;
}

interface ArrayParts {
  typecode: TypeCode;
  length: number;
  place: PlaceParts;
  lock?: DataLock | undefined;
}

function toParts(
  typecode: TypeCode,
  space: Space,
  array: ArrayLike<unknown>,
  attachments: Attachments,
): ArrayParts {
  const { length } = array;
  const byteLength = length * typeOf(typecode).size;
  return { typecode, length, place: sendSpace(space, byteLength, attachments) };
}

/** The space that an array of such parts needs. */
function spaceFor({ typecode, length, place }: ArrayParts, delivered: Delivered): Space {
  const space = receiveSpace(place, delivered);
  assertInteger(length, 'length', 0, place.byteLength / typeOf(typecode).size);
  return space;
}

/** The parts of RawArrays, which are typed arrays like any other. */
const raws = new WeakMap<object, { typecode: TypeCode; space: Space }>();

function makeRaw(typecode: TypeCode, space: Space, length: number): Uint8Array<ArrayBuffer> {
  const { array: TypedArray } = typeOf(typecode);
  const array = new TypedArray(space.buffer, space.byteOffset, length);
  raws.set(array, { typecode, space });
  makeViewShareable(array, 'RawArray');
  return array;
}

makeShareableByName<Uint8Array, ArrayParts>('RawArray', {
  toParts(array, attachments) {
    const { typecode, space } = raws.get(array)!;
    return toParts(typecode, space, array, attachments);
  },
  fromParts: (parts, delivered) =>
    makeRaw(parts.typecode, spaceFor(parts, delivered), parts.length),
});

/** The type of {@link RawArray}. */
export interface RawArrayConstructor {
  new <Code extends TypeCode>(typecode: Code, init: ArrayInit<Code>): ArrayTypes[Code];
  <Code extends TypeCode>(typecode: Code, init: ArrayInit<Code>): ArrayTypes[Code];
}

/**
 * A typed array in memory that this process shares with the children forked from here on: an
 * Int32Array for `'i'`, and so on. `Atomics` work on it. Its first contents are checked: nothing is
 * rounded or wrapped; later it behaves as any typed array.
 *
 * Its memory is given back when the last view of it is collected. `buffer` is a whole mapping, in
 * which other arrays may lie as well: mind `byteOffset`, as with Buffers.
 *
 * Of type `'c'` it has `value` and `raw` as well, of type `'u'` `value`, as in ctypes.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`
 * @throws SystemError `ENOMEM`
 */
export const RawArray: RawArrayConstructor = function (typecode: TypeCode, init: unknown) {
  return build(typeOf(typecode), init, (space, length) => makeRaw(typecode, space, length));
} as never;

/** The methods that {@link SharedArray} adds to a typed array. */
export interface SharedArrayMethods<Code extends TypeCode> {
  /** As it was given. */
  readonly typecode: Code;
  /** The element. @throws RangeError `ERR_OUT_OF_RANGE` if there is none */
  get(index: number): ElementOf<Code>;
  /**
   * Sets one element.
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE` if there is no such
   *   element, or the value does not fit
   */
  set(index: number, value: ElementOf<Code>): void;
  /**
   * Sets as many elements as `source` has, from `offset` (default: 0) on; none at all if one of
   * them does not fit.
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError
   */
  set(source: ArrayLike<ElementOf<Code>>, offset?: number): void;
  /** As that of a typed array, with the checks of {@link set}. */
  fill(value: ElementOf<Code>, start?: number, end?: number): this;
  /** The lock. @throws ProcessError `ERR_TRUEFORK_NO_LOCK` if it was made with `lock: false` */
  getLock(): DataLock;
  /** Calls `fn` while this process holds the lock. Leaves the event loop free until it does. */
  with<Result>(fn: () => Result): Promise<Awaited<Result>>;
  /**
   * A copy, not shared, with one element replaced. Checked as by {@link set}; negative: from the
   * end.
   */
  with(index: number, value: ElementOf<Code>): ArrayTypes[Code];
  /** Calls `fn` while this process holds the lock. Blocks the thread until it does. */
  withSync<Result>(fn: () => Result): Result;
  /**
   * Gives the memory back, in this process. More than 32 KiB go at once, and the array and all its
   * views are empty then; less goes when the last view is collected.
   */
  close(): void;
  [Symbol.dispose](): void;
}

/** A typed array with a lock and with checks: see the constructor. */
export type SharedArray<Code extends TypeCode = TypeCode> = SharedArrayMethods<Code> &
  Omit<ArrayTypes[Code], 'set' | 'fill' | 'with'>;

/** The type of {@link SharedArray}. */
export interface SharedArrayConstructor {
  new <Code extends TypeCode>(
    typecode: Code,
    init: ArrayInit<Code>,
    options?: LockOptions,
  ): SharedArray<Code>;
  [Symbol.hasInstance](object: unknown): boolean;
}

interface Parts {
  typecode: TypeCode;
  type: ElementType;
  space: Space;
  lock: DataLock | undefined;
}

const parts = new WeakMap<object, Parts>();

function partsOf(array: object): Parts {
  const found = parts.get(array);
  if (found === undefined) throw invalidThis('SharedArray', array);
  return found;
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** The class of typed arrays `Base` with the methods of {@link SharedArrayMethods}. */
function sharedClass(Base: ArrayClass): ArrayClass {
  const plain = (Base as unknown as { [Symbol.species]: unknown })[Symbol.species];
  const {
    set,
    fill,
    with: withElement,
  } = Base.prototype as unknown as Record<'set' | 'fill' | 'with', Method>;

  class Shared extends (Base as Uint8ArrayConstructor) {
    /** Slices are not shared. */
    static get [Symbol.species](): Uint8ArrayConstructor {
      return plain as Uint8ArrayConstructor;
    }

    get typecode(): TypeCode {
      return partsOf(this).typecode;
    }

    get(index: number): Element {
      partsOf(this);
      assertInteger(index, 'index', 0, this.length - 1);
      return this[index]!;
    }

    override set(source: ArrayLike<Element> | number, offset?: number): void {
      const { type } = partsOf(this);
      if (typeof source === 'number') {
        assertInteger(source, 'index', 0, this.length - 1);
        this[source] = type.check(offset);
        return;
      }
      const room = this.length - lengthOf(source);
      if (room < 0) throw outOfRange('source', `at most ${this.length} elements long`, source);
      assertInteger(offset ?? 0, 'offset', 0, room);
      assertElements(type, source);
      set.call(this, source, offset ?? 0);
    }

    override fill(value: Element, start?: number, end?: number): this {
      const { type } = partsOf(this);
      if (start !== undefined) assertInteger(start, 'start');
      if (end !== undefined) assertInteger(end, 'end');
      return fill.call(this, type.check(value), start, end) as this;
    }

    getLock(): DataLock {
      return assertLock(partsOf(this).lock);
    }

    override with(fn: unknown, value?: unknown): never {
      const { type, lock } = partsOf(this);
      if (typeof fn === 'function') return assertLock(lock).with(fn as () => never) as never;
      assertType(typeof fn === 'number', 'fn', 'a function, or an index', fn);
      assertInteger(fn, 'index', -this.length, this.length - 1);
      return withElement.call(this, fn, type.check(value)) as never;
    }

    withSync<Result>(fn: () => Result): Result {
      return assertLock(partsOf(this).lock).withSync(fn);
    }

    close(): void {
      const { isWhole, buffer } = partsOf(this).space;
      if (isWhole && this.length > 0) munmap(buffer);
    }

    [Symbol.dispose](): void {
      partsOf(this);
      this.close();
    }
  }

  Object.defineProperty(Shared, 'name', { value: 'SharedArray' });
  makeShareable<Uint8Array<ArrayBuffer>, ArrayParts>('SharedArray', Shared, RECIPE);
  return Shared;
}

const RECIPE: Recipe<Uint8Array<ArrayBuffer>, ArrayParts> = {
  toParts(array, attachments) {
    const { typecode, space, lock } = partsOf(array);
    return { ...toParts(typecode, space, array, attachments), lock };
  },
  fromParts(received, delivered) {
    const { typecode, length, lock = false } = received;
    return makeShared(typecode, spaceFor(received, delivered), length, lockFrom({ lock }));
  },
};
// Before there is a class of any type.
makeShareableByName('SharedArray', RECIPE);

function makeShared(
  typecode: TypeCode,
  space: Space,
  length: number,
  lock: DataLock | undefined,
): Uint8Array<ArrayBuffer> {
  const type = typeOf(typecode);
  const array = new (sharedClassOf(type))(space.buffer, space.byteOffset, length);
  parts.set(array, { typecode, type, space, lock });
  return array;
}

const classes = new Map<ArrayClass, ArrayClass>();

function sharedClassOf({ array }: ElementType): ArrayClass {
  let found = classes.get(array);
  if (found === undefined) classes.set(array, (found = sharedClass(array)));
  return found;
}

/**
 * A {@link RawArray} with a lock and with checks.
 *
 * It is a typed array, and `a[i]` and all methods cost what they cost there. Arguments of `get`,
 * `set` and `fill` are checked: nothing is rounded or wrapped, and there must be such an element.
 * **`a[i] = x` cannot be checked**, as JavaScript has it: there 300 is 44 in an array of bytes.
 * `slice()`, `map()`, `filter()` make arrays that are not shared, `subarray()` one over the same
 * memory.
 *
 * @example
 * ```ts
 * const counts = new SharedArray('i', 256);
 * await inChild(() => {
 *   for (const byte of bytes) counts[byte]++;
 * });
 * ```
 *
 * @param typecode a letter of Python's `array` and `ctypes`, or the name of a typed array; integers
 *   of 64 bits are bigints
 * @param init how many elements, all zero, or an iterable of the elements
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`
 * @throws SystemError `ENOMEM`
 */
export const SharedArray: SharedArrayConstructor = function (
  typecode: TypeCode,
  init: unknown,
  options: LockOptions = {},
) {
  const type = typeOf(typecode);
  const lock = lockFrom(options);
  return build(type, init, (space, length) => makeShared(typecode, space, length, lock));
} as never;

Object.defineProperty(SharedArray, Symbol.hasInstance, {
  value: (object: unknown) => typeof object === 'object' && object !== null && parts.has(object),
});
