// Calls that block the thread, over a connection of their own, which is made when the first is
// made.
import { Deadline } from '../../common/waiting.js';
import { readResult } from '../protocol/requests.js';
import type { MessageReader } from '../protocol/values.js';
import type { Wire } from '../protocol/wire.js';
import { CONNECT_TIMEOUT_MS } from './connect.js';

/** The server, as far as calls that block need it. */
export interface BlockingService {
  connectSync(deadline: Deadline): Wire;
  /** The first request. */
  greet(number: number): Buffer;
  /** The server has answered that. @throws if it is not the right one */
  onGreeted(answer: unknown, wire: Wire): void;
  readerOf(message: Buffer): MessageReader;
  /** The connection has ended. @returns what to say of it */
  onEnd(error: unknown): Error;
}

export class BlockingCalls {
  readonly #service: BlockingService;
  #wire: Wire | undefined;

  constructor(service: BlockingService) {
    this.#service = service;
  }

  /**
   * @param message may be overwritten afterwards
   * @throws ProcessError `ERR_TRUEFORK_MANAGER_LOST`, AuthenticationError, and what the method
   *   throws
   */
  call(message: Buffer): unknown {
    if (this.#wire !== undefined) return this.#exchange(this.#wire, message);
    const kept = Buffer.from(message);
    return this.#exchange(this.connect(CONNECT_TIMEOUT_MS), kept);
  }

  /** Sees to it that there is a connection. */
  connect(timeout: number): Wire {
    if (this.#wire !== undefined) return this.#wire;
    const deadline = new Deadline(timeout);
    const wire = this.#service.connectSync(deadline);
    this.#wire = wire;
    try {
      const answer = this.#exchange(wire, this.#service.greet(0), deadline.left);
      this.#service.onGreeted(answer, wire);
      return wire;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.#wire?.close();
    this.#wire = undefined;
  }

  /** In a forked child: the connection is the parent's. */
  abandon(): void {
    this.#wire = undefined;
  }

  #exchange(wire: Wire, message: Buffer, timeout = Infinity): unknown {
    let reader: MessageReader;
    try {
      wire.sendSync(message);
      reader = this.#service.readerOf(wire.receiveSync(timeout));
      reader.readUint32(); // its number: that of the only request there is
    } catch (error) {
      throw this.#service.onEnd(error);
    }
    return readResult(reader);
  }
}
