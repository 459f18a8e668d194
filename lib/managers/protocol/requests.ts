// Requests as bytes, and answers as values.
import { badMessage } from '../../serialize/clone.js';
import { Reply } from './protocol.js';
import { currentTasks } from './tasks.js';
import { type MessageReader, MessageWriter, type ProxyCodec } from './values.js';
import { HEADER_BYTES, writeHeader } from './wire.js';

export class Requests {
  readonly #codec: ProxyCodec;
  /**
   * A value that is written may have getters that make requests of their own: each has a writer to
   * itself.
   */
  readonly #idle: MessageWriter[] = [];

  constructor(codec: ProxyCodec) {
    this.#codec = codec;
  }

  /**
   * The message with its header. Its memory is used again by the next one.
   *
   * @throws ProcessError `ERR_TRUEFORK_NOT_CLONABLE`, and what getters throw
   */
  encode(number: number, id: number, method: string, args: readonly unknown[]): Buffer {
    const writer = this.#idle.pop() ?? new MessageWriter(this.#codec);
    try {
      return this.#write(writer, number, id, method, args);
    } catch (error) {
      writer.discard();
      throw error;
    } finally {
      this.#idle.push(writer);
    }
  }

  #write(
    writer: MessageWriter,
    number: number,
    id: number,
    method: string,
    args: readonly unknown[],
  ): Buffer {
    writer.begin(HEADER_BYTES);
    writer.writeUint32(number);
    writer.writeDouble(id);
    writer.writeString(method);
    writer.writeUint32(args.length);
    for (const arg of args) writer.writeValue(arg);
    const tasks = currentTasks();
    if (tasks.length > 0) {
      writer.writeUint32(tasks.length);
      for (const task of tasks) writer.writeDouble(task);
    }
    const message = writer.end();
    writeHeader(message);
    return message;
  }
}

/**
 * The result of a call. @throws what the method has thrown; ProcessError `ERR_TRUEFORK_BAD_MESSAGE`
 */
export function readResult(reader: MessageReader): unknown {
  let kind: number;
  let value: unknown;
  try {
    kind = reader.readByte();
    value = reader.readValue();
  } catch (error) {
    throw error instanceof RangeError ? badMessage(error) : error;
  }
  if (kind === Reply.error) throw value;
  return value;
}
