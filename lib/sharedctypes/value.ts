// Single values in shared memory.
import { inspect } from 'node:util';
import { ProcessError } from '../common/errors.js';
import { inspectBy } from '../common/inspection.js';
import { checkReceivers } from '../common/receivers.js';
import { assertType } from '../common/validate.js';
import {
  type Block,
  makeOver,
  ownBlock,
  type PlaceParts,
  receiveBlock,
  sendBlock,
} from '../memory/heap.js';
import { type Delivered, type Attachments, makeShareable } from '../serialize/shareables.js';
import { assertLock, type DataLock, lockFrom, type LockOptions } from './data-lock.js';
import {
  CELL,
  type Cell,
  type ElementType,
  type TypeCode,
  typeOf,
  type ValueOf,
} from './type-codes.js';

/** Gives back the memory of values that nobody has any more. */
const collected = new FinalizationRegistry<Block>((block) => block.free());

/** The cell of those that are closed. */
const NOTHING = new Uint8Array(0);

function refuseClosed(): never {
  throw new ProcessError('ERR_TRUEFORK_CLOSED', 'the value is closed');
}

const prototypes = new WeakMap<object, Map<ElementType, object>>();

/** The prototype of the values of one class and one type: that of the class, and `value`. */
function prototypeOf(base: object, type: ElementType): object {
  let ofBase = prototypes.get(base);
  if (ofBase === undefined) prototypes.set(base, (ofBase = new Map<ElementType, object>()));
  let prototype = ofBase.get(type);
  if (prototype === undefined) {
    prototype = Object.create(base, { value: type.accessor }) as object;
    ofBase.set(type, prototype);
  }
  return prototype;
}

interface ValueParts {
  typecode: TypeCode;
  place: PlaceParts;
  lock?: DataLock | undefined;
}

/** The parts of a value; set below, where they are known. */
let toParts: (value: RawValue, attachments: Attachments) => ValueParts;

function blockFrom({ typecode, place }: ValueParts, delivered: Delivered): Block {
  return receiveBlock(place, typeOf(typecode).size, delivered);
}

/** As if all integers were of this type: `Atomics` takes only what belongs together. */
type IntegerCell = Int32Array<ArrayBuffer>;

/**
 * A value in memory that this process shares with the children forked from here on, without a
 * lock. Reading and writing cost what they cost with a typed array; single reads and
 * writes are never torn. `value += 1` is two of them: use {@link add}, or a {@link Value}
 * with its lock.
 *
 * The memory is given back by {@link close}, or when nobody has the object any more.
 *
 * @example
 * ```ts
 * const done = new RawValue('i');
 * const indexing = files.map((file) => inChild(() => (index(file), done.add(1))));
 * ```
 */
export class RawValue<Code extends TypeCode = TypeCode> {
  readonly #typecode: Code;
  /**
   * The value. Of type `'c'`: a Buffer of one byte; of `'u'`: a string of one character.
   *
   * A value that does not fit throws a TypeError `ERR_INVALID_ARG_TYPE` or RangeError
   * `ERR_OUT_OF_RANGE`: nothing is rounded or wrapped, but for `'f'`, which keeps as much as it
   * can. After {@link close} it throws `ERR_TRUEFORK_CLOSED`.
   */
  declare value: ValueOf<Code>;
  readonly #type: ElementType;
  readonly #block: Block;
  /** @internal */
  [CELL]: Cell;

  /**
   * @param typecode a letter of Python's `array` and `ctypes`, or the name of a typed array;
   *   integers of 64 bits are bigints
   * @param initial default: zero, false, or one NUL
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`
   * @throws SystemError `ENOMEM`
   */
  constructor(typecode: Code, initial?: ValueOf<Code>);
  /** @internal Over memory that is there. */
  constructor(typecode: Code, initial?: ValueOf<Code>, block?: Block);
  constructor(typecode: Code, initial?: ValueOf<Code>, block?: Block) {
    this.#type = typeOf(typecode);
    this.#typecode = typecode;
    const { array: ArrayClass, size } = this.#type;
    this.#block = ownBlock(block, size);
    this[CELL] = new ArrayClass(this.#block.buffer, this.#block.byteOffset, 1);
    collected.register(this, this.#block, this);
    Object.setPrototypeOf(this, prototypeOf(new.target.prototype, this.#type));
    if (initial !== undefined) this.value = initial;
  }

  /** As it was given. */
  get typecode(): Code {
    return this.#typecode;
  }

  /**
   * Adds `n` in one step that nobody can come between, as `Atomics.add` does: past the end of
   * the type it wraps around. For integers.
   *
   * @returns the value before
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, also if this is not an integer
   */
  add(n: ValueOf<Code>): ValueOf<Code> {
    const cell = this.#integerCell();
    const isBigInt = typeof cell[0] === 'bigint';
    const isRight = isBigInt ? typeof n === 'bigint' : Number.isSafeInteger(n);
    if (!isRight) assertType(false, 'n', isBigInt ? 'of type bigint' : 'an integer', n);
    return Atomics.add(cell, 0, n as number) as ValueOf<Code>;
  }

  /**
   * Replaces the value in one step. For integers.
   *
   * @returns the value before
   * @throws TypeError, RangeError as for {@link value}
   */
  exchange(value: ValueOf<Code>): ValueOf<Code> {
    return Atomics.exchange(this.#integerCell(), 0, this.#type.check(value)) as ValueOf<Code>;
  }

  /**
   * Replaces the value by `replacement` if it is `expected`, in one step. For integers.
   *
   * @returns the value before: `expected` if it was replaced
   * @throws TypeError, RangeError as for {@link value}
   */
  compareExchange(expected: ValueOf<Code>, replacement: ValueOf<Code>): ValueOf<Code> {
    const cell = this.#integerCell();
    const { check } = this.#type;
    return Atomics.compareExchange(cell, 0, check(expected), check(replacement)) as ValueOf<Code>;
  }

  /** Gives the memory back, in this process. Children that have it go on with it. */
  close(): void {
    collected.unregister(this);
    this[CELL] = NOTHING;
    Object.defineProperty(this, 'value', { get: refuseClosed, set: refuseClosed });
    this.#block.free();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  toString(): string {
    return String(this.value);
  }

  #integerCell(): IntegerCell {
    if (this[CELL] === NOTHING) refuseClosed();
    if (!this.#type.isInteger) assertType(false, 'typecode', 'that of an integer', this.typecode);
    return this[CELL] as unknown as IntegerCell;
  }

  static {
    checkReceivers(this, (object) => #typecode in object);
    toParts = (value, attachments) => {
      if (value[CELL] === NOTHING) refuseClosed();
      return { typecode: value.typecode, place: sendBlock(value.#block, attachments) };
    };
    makeShareable<RawValue, ValueParts>('RawValue', RawValue, {
      toParts,
      fromParts: (parts, delivered) =>
        makeOver(
          blockFrom(parts, delivered),
          (block) => new RawValue(parts.typecode, undefined, block),
        ),
    });
    inspectBy(this, describe);
    function describe(this: RawValue): string {
      const value = this[CELL] === NOTHING ? 'closed' : inspect(this.value);
      return `${this.constructor.name}(${inspect(this.typecode)}, ${value})`;
    }
  }
}

/**
 * A {@link RawValue} with a lock, for what takes more than one step.
 *
 * @example
 * ```ts
 * const total = new Value('d', 0);
 * await total.with(() => (total.value += amount));
 * ```
 */
export class Value<Code extends TypeCode = TypeCode> extends RawValue<Code> {
  readonly #lock: DataLock | undefined;

  /** @throws as {@link RawValue}, and TypeError if `lock` is not a lock */
  constructor(typecode: Code, initial?: ValueOf<Code>, options?: LockOptions);
  /** @internal Over memory that is there. */
  constructor(typecode: Code, initial?: ValueOf<Code>, options?: LockOptions, block?: Block);
  constructor(typecode: Code, initial?: ValueOf<Code>, options: LockOptions = {}, block?: Block) {
    const lock = lockFrom(options);
    super(typecode, initial, block);
    this.#lock = lock;
  }

  /** The lock. @throws ProcessError `ERR_TRUEFORK_NO_LOCK` if it was made with `lock: false` */
  getLock(): DataLock {
    return assertLock(this.#lock);
  }

  /** Calls `fn` while this process holds the lock. Leaves the event loop free until it does. */
  with<Result>(fn: () => Result): Promise<Awaited<Result>> {
    return this.getLock().with(fn);
  }

  /** Calls `fn` while this process holds the lock. Blocks the thread until it does. */
  withSync<Result>(fn: () => Result): Result {
    return this.getLock().withSync(fn);
  }

  static {
    checkReceivers(this, (object) => #lock in object);
    makeShareable<Value, ValueParts>('Value', Value, {
      toParts: (value, attachments) => ({ ...toParts(value, attachments), lock: value.#lock }),
      fromParts(parts, delivered) {
        const { typecode, lock = false } = parts;
        const make = (block: Block): Value => new Value(typecode, undefined, { lock }, block);
        return makeOver(blockFrom(parts, delivered), make);
      },
    });
  }
}
