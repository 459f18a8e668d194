// Values as bytes, between a manager's server and its clients. As serialize.ts has it, with short
// cuts for what is sent most, and with proxies, also inside of other values.
import { type Source, within } from '../../serialize/origin.js';
import { decode, discard, encode, type Encoded } from '../../serialize/serialize.js';
import { assertToken, isProxy, type Token } from './reference.js';

const Kind = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  int32: 4,
  double: 5,
  string: 6,
  /** As serialize.ts writes it. */
  value: 7,
  proxy: 8,
} as const;

/** The conversion of proxies, which differs between the two sides of a wire. */
export interface ProxyCodec {
  /** Where the messages come from. */
  readonly source: Source;
  /** Makes the form of a proxy in a message. @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE` */
  toToken(proxy: object): Token;
  fromToken(token: Token): unknown;
}

let current: ProxyCodec | undefined;

/** The codec of the message that is being written or read; undefined: it is none of ours. */
export function currentCodec(): ProxyCodec | undefined {
  return current;
}

function using<T>(codec: ProxyCodec, run: () => T): T {
  const outer = current;
  current = codec;
  try {
    return within(codec.source, run);
  } finally {
    current = outer;
  }
}

const FIRST_ROOM_BYTES = 16 * 1024;
/** Strings longer than this are measured before they are written. */
const MAX_SHORT_STRING = 256;
const MAX_BYTES_OF_A_CODE_UNIT = 3;

/** Writes one message after the other into the same memory. */
export class MessageWriter {
  #buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_ROOM_BYTES);
  #length = 0;
  readonly #codec: ProxyCodec;
  /** Values that wait here for the receiver to fetch them. */
  #entrusted: Encoded[] = [];

  constructor(codec: ProxyCodec) {
    this.#codec = codec;
  }

  /** Begins a message. @param room for a header */
  begin(room: number): void {
    this.#entrusted = [];
    if (this.#buffer.length > FIRST_ROOM_BYTES)
      this.#buffer = Buffer.allocUnsafeSlow(FIRST_ROOM_BYTES);
    this.#length = room;
  }

  /** The message, until the next one begins. */
  end(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** The message will not be sent. */
  discard(): void {
    for (const encoded of this.#entrusted.splice(0)) discard(encoded);
  }

  writeByte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  writeUint32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
  }

  writeDouble(value: number): void {
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
  }

  writeString(value: string): void {
    const most =
      value.length < MAX_SHORT_STRING
        ? value.length * MAX_BYTES_OF_A_CODE_UNIT
        : Buffer.byteLength(value);
    this.#reserve(4 + most);
    const written = this.#buffer.write(value, this.#length + 4);
    this.#buffer.writeUInt32LE(written, this.#length);
    this.#length += 4 + written;
  }

  /** @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE` */
  writeValue(value: unknown): void {
    switch (typeof value) {
      case 'undefined':
        return this.writeByte(Kind.undefined);
      case 'boolean':
        return this.writeByte(value ? Kind.true : Kind.false);
      case 'number':
        return this.#writeNumber(value);
      case 'string':
        // UTF-8 has no lone surrogates.
        if (!value.isWellFormed()) return this.#writeAny(value);
        this.writeByte(Kind.string);
        return this.writeString(value);
      default:
        if (value === null) return this.writeByte(Kind.null);
        return this.#writeAny(value);
    }
  }

  writeToken(token: Token): void {
    this.writeByte(Kind.proxy);
    this.#writeBytes(encode(token));
  }

  #writeNumber(value: number): void {
    const isInt32 = (value | 0) === value && !Object.is(value, -0);
    this.writeByte(isInt32 ? Kind.int32 : Kind.double);
    if (isInt32) this.writeUint32(value >>> 0);
    else this.writeDouble(value);
  }

  #writeAny(value: unknown): void {
    if (isProxy(value)) return this.writeToken(this.#codec.toToken(value));
    const encoded = using(this.#codec, () => encode(value, 'managed'));
    if (encoded.ticket !== undefined) this.#entrusted.push(encoded);
    this.writeByte(Kind.value);
    this.#writeBytes(encoded);
  }

  #writeBytes({ kind, body }: Encoded): void {
    this.writeUint32(1 + body.length);
    this.writeByte(kind);
    this.#reserve(body.length);
    this.#buffer.set(body, this.#length);
    this.#length += body.length;
  }

  #reserve(size: number): void {
    const needed = this.#length + size;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

function endsTooEarly(): RangeError {
  return new RangeError('the message ends too early');
}

/** Reads the output of a MessageWriter. Any other input throws. */
export class MessageReader {
  readonly #buffer: Buffer;
  readonly #codec: ProxyCodec;
  #position = 0;

  constructor(buffer: Buffer, codec: ProxyCodec) {
    this.#buffer = buffer;
    this.#codec = codec;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#buffer.length;
  }

  readByte(): number {
    return this.#buffer.readUInt8(this.#position++);
  }

  readUint32(): number {
    const value = this.#buffer.readUInt32LE(this.#position);
    this.#position += 4;
    return value;
  }

  readDouble(): number {
    const value = this.#buffer.readDoubleLE(this.#position);
    this.#position += 8;
    return value;
  }

  readString(): string {
    const length = this.readUint32();
    const end = this.#position + length;
    if (end > this.#buffer.length) throw endsTooEarly();
    const string = this.#buffer.toString('utf8', this.#position, end);
    this.#position = end;
    return string;
  }

  readValue(): unknown {
    switch (this.readByte()) {
      case Kind.undefined:
        return undefined;
      case Kind.null:
        return null;
      case Kind.false:
        return false;
      case Kind.true:
        return true;
      case Kind.int32:
        return this.readUint32() | 0;
      case Kind.double:
        return this.readDouble();
      case Kind.string:
        return this.readString();
      case Kind.value:
        return this.#readEncoded();
      case Kind.proxy:
        return this.#readProxy();
      default:
        throw new RangeError('no such kind of value');
    }
  }

  #readProxy(): unknown {
    const token = this.#readEncoded();
    assertToken(token);
    return this.#codec.fromToken(token);
  }

  #readEncoded(): unknown {
    // A copy: values of bytes are views of it, and it is overwritten by the next message.
    const bytes = Buffer.from(this.#readBytes());
    return using(this.#codec, () => decode(bytes));
  }

  #readBytes(): Buffer {
    const length = this.readUint32();
    const end = this.#position + length;
    if (end > this.#buffer.length) throw endsTooEarly();
    const bytes = this.#buffer.subarray(this.#position, end);
    this.#position = end;
    return bytes;
  }
}
