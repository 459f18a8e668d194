// Calls that leave the event loop free, over a connection of their own, which is made when the
// first is made. They go out in the order in which they were made.
import { onAbort } from '../../common/abort.js';
import { AbortError, TimeoutError } from '../../common/errors.js';
import { clearTimeout, setTimeout } from '../../common/originals.js';
import { Deadline, throwIfAborted } from '../../common/waiting.js';
import type { Unsubscribe } from '../../common/wakers.js';
import { NO_ANSWER } from '../protocol/protocol.js';
import type { Wire } from '../protocol/wire.js';
import { CONNECT_TIMEOUT_MS, lostError } from './connect.js';

/** The server, as far as calls need it. */
export interface Service {
  connect(deadline: Deadline): Promise<Wire>;
  /** The first request. */
  greet(number: number): Buffer;
  /** The server has answered that. @throws if it is not the right one */
  onGreeted(answer: unknown, wire: Wire): void;
  /** The request that ends a call. */
  cancel(number: number): Buffer;
  onAnswer(message: Buffer): void;
  /** The connection has ended. */
  onEnd(error: unknown): void;
}

/** The number of the first request. */
const GREETING = 0;

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

function rejectAfter(ms: number, reject: (error: unknown) => void): NodeJS.Timeout {
  return setTimeout(() => reject(lostError(new TimeoutError('no answer has come in time'))), ms);
}

export class AsyncCalls {
  readonly #service: Service;
  readonly #pending = new Map<number, Pending>();
  /** Requests that wait for the connection, by the numbers of their calls. */
  readonly #unsent = new Map<number, Buffer>();
  #wire: Wire | undefined;
  #isConnecting = false;
  #isOver = false;
  #calls = 0;

  constructor(service: Service) {
    this.#service = service;
  }

  nextNumber(): number {
    return 1 + (this.#calls++ % (NO_ANSWER - 1));
  }

  /**
   * Sends the request with that number.
   *
   * @param message may be overwritten afterwards
   * @param signal ends the call in the server; when it is too late for that the promise is
   *   resolved, so that nothing gets lost
   */
  async send(number: number, message: Buffer, signal: AbortSignal | undefined): Promise<unknown> {
    throwIfAborted(signal);
    const abort = (): void => this.#cancel(number, signal!);
    let stopListening: Unsubscribe | undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(number, { resolve, reject });
        this.#dispatch(number, message);
        if (signal !== undefined) stopListening = onAbort(signal, abort);
      });
    } catch (error) {
      // The server says only that it was aborted.
      if (signal?.aborted && error instanceof AbortError) throw new AbortError(signal);
      throw error;
    } finally {
      stopListening?.();
      this.#settled(number);
    }
  }

  /** Sees to it that there is a connection soon. */
  connectSoon(): void {
    if (this.#wire !== undefined || this.#isConnecting || this.#isOver) return;
    this.#isConnecting = true;
    void this.#connect();
  }

  /** @param settle called with the one who waits for that answer, if there is one */
  answer(number: number, settle: (pending: Pending | undefined) => void): void {
    // A server may answer what it has not been asked.
    settle(this.#unsent.has(number) ? undefined : this.#pending.get(number));
  }

  /** Ends the connection, and all calls with `error`. */
  end(error: unknown): void {
    this.#isOver = true;
    this.#wire?.close();
    this.#fail(error);
  }

  /** In a forked child: the connection, and those who wait, are the parent's. */
  abandon(): void {
    this.#isOver = true;
    this.#pending.clear();
    this.#unsent.clear();
  }

  #dispatch(number: number, message: Buffer): void {
    if (this.#wire === undefined) {
      this.#unsent.set(number, Buffer.from(message));
      this.connectSoon();
      return;
    }
    this.#wire.setRef(true);
    this.#wire.send(message);
  }

  #cancel(number: number, signal: AbortSignal): void {
    if (this.#unsent.delete(number)) this.#pending.get(number)?.reject(new AbortError(signal));
    else if (this.#wire?.isClosed === false) this.#wire.send(this.#service.cancel(number));
  }

  #settled(number: number): void {
    this.#pending.delete(number);
    if (this.#pending.size === 0) this.#wire?.setRef(false);
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#unsent.clear();
  }

  async #connect(): Promise<void> {
    const deadline = new Deadline(CONNECT_TIMEOUT_MS);
    let wire: Wire | undefined;
    try {
      wire = await this.#service.connect(deadline);
      await this.#greet(wire, deadline);
    } catch (error) {
      wire?.close();
      if (!this.#isOver) this.#fail(error);
    } finally {
      this.#isConnecting = false;
    }
  }

  async #greet(wire: Wire, deadline: Deadline): Promise<void> {
    if (this.#isOver) return wire.close();
    const { onAnswer, onEnd } = this.#service;
    wire.listen({ onMessage: onAnswer, onEnd }, true);
    let timer: NodeJS.Timeout | undefined;
    const answer = await new Promise((resolve, reject) => {
      timer = rejectAfter(deadline.left, reject);
      this.#pending.set(GREETING, { resolve, reject });
      wire.send(this.#service.greet(GREETING));
    }).finally(() => {
      clearTimeout(timer);
      this.#pending.delete(GREETING);
    });
    this.#service.onGreeted(answer, wire);
    this.#open(wire);
  }

  #open(wire: Wire): void {
    this.#wire = wire;
    wire.setRef(this.#pending.size > 0);
    for (const message of this.#unsent.values()) wire.send(message);
    this.#unsent.clear();
  }
}
