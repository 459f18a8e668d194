// The types of shared values and arrays: those of Python's `array` and `ctypes`, by
// letter, and those of typed arrays, by name.
import { bytesFrom } from '../common/bytes.js';
import { assertBigInt, assertInteger, assertType, outOfRange } from '../common/validate.js';

/** An array of bytes that is a C string, too: of type code `'c'`, as in ctypes. */
export class CharArray extends Uint8Array<ArrayBuffer> {
  /** Slices are plain. */
  static get [Symbol.species](): Uint8ArrayConstructor {
    return Uint8Array;
  }

  /**
   * A copy of the bytes before the first NUL. An assigned value gets a NUL behind it, if it fits.
   */
  get value(): Buffer {
    const end = this.indexOf(0);
    return Buffer.from(this.subarray(0, end < 0 ? this.length : end));
  }

  set value(value: Uint8Array) {
    const bytes = bytesFrom(value, 'value');
    this.raw = bytes;
    if (bytes.length < this.length) this[bytes.length] = 0;
  }

  /** A copy of all the bytes. An assigned value replaces the first ones. */
  get raw(): Buffer {
    return Buffer.from(this);
  }

  set raw(value: Uint8Array) {
    const bytes = bytesFrom(value, 'value');
    if (bytes.length > this.length) {
      throw outOfRange('value', `at most ${this.length} bytes long (byte string too long)`, bytes);
    }
    super.set(bytes);
  }
}

/** An array of code points that is a string, too: of type code `'u'`, as in ctypes. */
export class CharacterArray extends Uint32Array<ArrayBuffer> {
  /** Slices are plain. */
  static get [Symbol.species](): Uint32ArrayConstructor {
    return Uint32Array;
  }

  /** The characters before the first NUL. An assigned value gets a NUL behind it, if it fits. */
  get value(): string {
    const end = this.indexOf(0);
    const points = this.subarray(0, end < 0 ? this.length : end);
    return Array.from(points, (point) => String.fromCodePoint(point)).join('');
  }

  set value(text: string) {
    assertType(typeof text === 'string', 'value', 'of type string', text);
    const points = codePoints(text);
    if (points.length > this.length) {
      throw outOfRange('value', `at most ${this.length} characters long (string too long)`, text);
    }
    super.set(points);
    if (points.length < this.length) this[points.length] = 0;
  }
}

function codePoints(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0)!);
}

/** By type code, the array of such elements. */
export interface ArrayTypes {
  /** char: a byte */
  c: CharArray;
  /** signed char */
  b: Int8Array<ArrayBuffer>;
  /** unsigned char */
  B: Uint8Array<ArrayBuffer>;
  /** bool, as 0 and 1 */
  '?': Uint8Array<ArrayBuffer>;
  /** wchar_t: a code point */
  u: CharacterArray;
  /** The same: its name in Python 3.13. */
  w: CharacterArray;
  /** short */
  h: Int16Array<ArrayBuffer>;
  /** unsigned short */
  H: Uint16Array<ArrayBuffer>;
  /** int */
  i: Int32Array<ArrayBuffer>;
  /** unsigned int */
  I: Uint32Array<ArrayBuffer>;
  /** long, which has 64 bits on all systems that truefork runs on */
  l: BigInt64Array<ArrayBuffer>;
  /** unsigned long: 64 bits */
  L: BigUint64Array<ArrayBuffer>;
  /** long long */
  q: BigInt64Array<ArrayBuffer>;
  /** unsigned long long */
  Q: BigUint64Array<ArrayBuffer>;
  /** float */
  f: Float32Array<ArrayBuffer>;
  /** double */
  d: Float64Array<ArrayBuffer>;
  int8: Int8Array<ArrayBuffer>;
  uint8: Uint8Array<ArrayBuffer>;
  int16: Int16Array<ArrayBuffer>;
  uint16: Uint16Array<ArrayBuffer>;
  int32: Int32Array<ArrayBuffer>;
  uint32: Uint32Array<ArrayBuffer>;
  bigint64: BigInt64Array<ArrayBuffer>;
  biguint64: BigUint64Array<ArrayBuffer>;
  float32: Float32Array<ArrayBuffer>;
  float64: Float64Array<ArrayBuffer>;
}

/** A letter of Python's `array` and `ctypes`, or the name of a typed array. */
export type TypeCode = keyof ArrayTypes;

/** The elements of an array of that type. */
export type ElementOf<Code extends TypeCode> = ArrayTypes[Code][number];

/** The value of a `Value` of that type. */
export type ValueOf<Code extends TypeCode> = Code extends 'c'
  ? Buffer
  : Code extends 'u' | 'w'
    ? string
    : Code extends '?'
      ? boolean
      : ElementOf<Code>;

/** One of the array classes, as if it were of numbers alone. */
export type ArrayClass = new (
  buffer: ArrayBuffer,
  byteOffset: number,
  length: number,
) => Uint8Array<ArrayBuffer>;

/** Elements of all kinds, as if they were numbers alone. */
export type Element = number;

/** The array of a single value. */
export type Cell = Uint8Array<ArrayBuffer>;

/** Where a value has its {@link Cell}. */
export const CELL: unique symbol = Symbol('cell');

interface Holder {
  [CELL]: Cell;
}

/**
 * The property `value` of single values. Each type has functions of its own, in the source, too: V8
 * remembers for each place there what came by, and does without if that is of many types.
 */
interface Accessor {
  get(this: Holder): unknown;
  set(this: Holder, value: unknown): void;
}

/** The elements of a type, and the values of which one can be made. */
export interface ElementType {
  readonly array: ArrayClass;
  /** In bytes. */
  readonly size: number;
  /** Whether `Atomics` can add to it. */
  readonly isInteger: boolean;
  /** Whether all that its array can have for elements is of this type. */
  readonly isWhole: boolean;
  /** Returns the element, or throws what is wrong with it. @param index its place in an array */
  check(element: unknown, index?: number): Element;
  readonly accessor: Accessor;
  /** The contents of a new array, if they are not elements. */
  readonly elementsOf?: (source: unknown) => Element[] | undefined;
}

type Check = ElementType['check'];

function describe(array: unknown, isInteger: boolean, check: Check, accessor: Accessor) {
  const { BYTES_PER_ELEMENT } = array as { BYTES_PER_ELEMENT: number };
  return {
    array: array as ArrayClass,
    size: BYTES_PER_ELEMENT,
    isInteger,
    isWhole: true,
    check,
    accessor,
  };
}

function nameOf(index: number | undefined): string {
  return index === undefined ? 'value' : `[${index}]`;
}

function integers(min: number, max: number): Check {
  return (element, index) => {
    // Where it is an integer of 32 bits, as all of ours are.
    const isInteger =
      typeof element === 'number' && ((element | 0) === element || element >>> 0 === element);
    if (!isInteger || element < min || element > max) {
      assertInteger(element, nameOf(index), min, max);
    }
    return element;
  };
}

function bigints(min: bigint, max: bigint): Check {
  return (element, index) => {
    if (typeof element !== 'bigint' || element < min || element > max) {
      assertBigInt(element, nameOf(index), min, max);
    }
    return element as never;
  };
}

function checkFloat(element: unknown, index?: number): Element {
  if (typeof element !== 'number') assertType(false, nameOf(index), 'of type number', element);
  return element as Element;
}

const MAX_BYTE = 2 ** 8 - 1;
const LAST_CODE_POINT = 0x10ffff;

const checkByte = integers(0, MAX_BYTE);
const checkBit = integers(0, 1);
const checkCodePoint = integers(0, LAST_CODE_POINT);

function checkBoolean(element: unknown, index?: number): Element {
  return typeof element === 'boolean' ? Number(element) : checkBit(element, index);
}

function byteOf(value: unknown): Element {
  return value instanceof Uint8Array && value.length === 1 ? value[0]! : checkByte(value);
}

function codePointOf(value: unknown): Element {
  const points = typeof value === 'string' ? codePoints(value) : [];
  assertType(points.length === 1, 'value', 'a string of one character', value);
  return points[0]!;
}

const char = describe(CharArray, false, checkByte, {
  get() {
    return Buffer.of(this[CELL][0]!);
  },
  set(value) {
    this[CELL][0] = byteOf(value);
  },
});

const boolean: ElementType = {
  ...describe(Uint8Array, false, checkBoolean, {
    get() {
      return this[CELL][0] !== 0;
    },
    set(value) {
      this[CELL][0] = checkBoolean(value);
    },
  }),
  isWhole: false,
};

const character: ElementType = {
  ...describe(CharacterArray, false, checkCodePoint, {
    get() {
      return String.fromCodePoint(this[CELL][0]!);
    },
    set(value) {
      this[CELL][0] = codePointOf(value);
    },
  }),
  isWhole: false,
  elementsOf: (source) => (typeof source === 'string' ? codePoints(source) : undefined),
};

const checkInt8 = integers(-(2 ** 7), 2 ** 7 - 1);
const int8 = describe(Int8Array, true, checkInt8, {
  get() {
    return this[CELL][0];
  },
  set(value) {
    this[CELL][0] = checkInt8(value);
  },
});

const checkUint8 = integers(0, MAX_BYTE);
const uint8 = describe(Uint8Array, true, checkUint8, {
  get() {
    return this[CELL][0];
  },
  set(value) {
    this[CELL][0] = checkUint8(value);
  },
});

const checkInt16 = integers(-(2 ** 15), 2 ** 15 - 1);
const int16 = describe(Int16Array, true, checkInt16, {
  get() {
    return this[CELL][0];
  },
  set(value) {
    this[CELL][0] = checkInt16(value);
  },
});

const checkUint16 = integers(0, 2 ** 16 - 1);
const uint16 = describe(Uint16Array, true, checkUint16, {
  get() {
    return this[CELL][0];
  },
  set(value) {
    this[CELL][0] = checkUint16(value);
  },
});

const checkInt32 = integers(-(2 ** 31), 2 ** 31 - 1);
const int32 = describe(Int32Array, true, checkInt32, {
  get() {
    return this[CELL][0];
  },
  set(value) {
    this[CELL][0] = checkInt32(value);
  },
});

const checkUint32 = integers(0, 2 ** 32 - 1);
const uint32 = describe(Uint32Array, true, checkUint32, {
  get() {
    return this[CELL][0];
  },
  set(value) {
    this[CELL][0] = checkUint32(value);
  },
});

const checkBigint64 = bigints(-(2n ** 63n), 2n ** 63n - 1n);
const bigint64 = describe(BigInt64Array, true, checkBigint64, {
  get() {
    return this[CELL][0];
  },
  set(value) {
    this[CELL][0] = checkBigint64(value);
  },
});

const checkBiguint64 = bigints(0n, 2n ** 64n - 1n);
const biguint64 = describe(BigUint64Array, true, checkBiguint64, {
  get() {
    return this[CELL][0];
  },
  set(value) {
    this[CELL][0] = checkBiguint64(value);
  },
});

const float32 = describe(Float32Array, false, checkFloat, {
  get() {
    return this[CELL][0];
  },
  set(value) {
    this[CELL][0] = checkFloat(value);
  },
});

const float64 = describe(Float64Array, false, checkFloat, {
  get() {
    return this[CELL][0];
  },
  set(value) {
    this[CELL][0] = checkFloat(value);
  },
});

const TYPES: Record<TypeCode, ElementType> = {
  c: char,
  b: int8,
  B: uint8,
  '?': boolean,
  u: character,
  w: character,
  h: int16,
  H: uint16,
  i: int32,
  I: uint32,
  l: bigint64,
  L: biguint64,
  q: bigint64,
  Q: biguint64,
  f: float32,
  d: float64,
  int8,
  uint8,
  int16,
  uint16,
  int32,
  uint32,
  bigint64,
  biguint64,
  float32,
  float64,
};

/** @throws TypeError `ERR_INVALID_ARG_TYPE` if there is no such type */
export function typeOf(code: TypeCode): ElementType {
  const isKnown = typeof code === 'string' && Object.hasOwn(TYPES, code);
  assertType(isKnown, 'typecode', `one of ${Object.keys(TYPES).join(', ')}`, code);
  return TYPES[code];
}
