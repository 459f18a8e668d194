// The news of a process for a server, which answers none of it: what it has got, what is garbage,
// that it forks. Nobody waits for a server because of them. They all go through the connection that
// was made first, and so in one order.
import { EOFError } from '../../common/errors.js';
import { setImmediate } from '../../common/originals.js';
import { Request } from '../protocol/protocol.js';
import type { Wire } from '../protocol/wire.js';

/** The server, as far as news need it. */
export interface Audience {
  encode(method: string, args: readonly unknown[]): Buffer;
  /** The connection has ended. */
  onEnd(error: unknown): void;
}

export class News {
  readonly #server: Audience;
  #wire: Wire | undefined;
  /** The news for a connection that is yet to come. */
  #untold: [method: string, args: readonly unknown[]][] = [];
  /** `id, count, …` of what is garbage here. */
  readonly #dropped: number[] = [];

  constructor(server: Audience) {
    this.#server = server;
  }

  /** Whether the server can be told. */
  get hasConnection(): boolean {
    return this.#wire !== undefined;
  }

  /** There is a connection. @returns whether it is the first: then call {@link flush} */
  connect(wire: Wire): boolean {
    const isFirst = this.#wire === undefined;
    this.#wire ??= wire;
    return isFirst;
  }

  /** Tells what waits. */
  flush(): void {
    // Without a connection there is nobody who could want to know.
    if (this.#wire === undefined) return;
    for (const [method, args] of this.#untold.splice(0)) this.tell(method, args);
    if (this.#dropped.length > 0) this.tell(Request.drop, this.#dropped.splice(0));
  }

  /** Never waits: what the server does not take now goes later. */
  tell(method: string, args: readonly unknown[]): void {
    if (this.#wire === undefined) {
      this.#untold.push([method, args]);
      return;
    }
    this.#wire.send(this.#server.encode(method, args));
    if (this.#wire?.isClosed) this.#server.onEnd(new EOFError());
  }

  /** An object is garbage here that the server has granted so often. Told soon, with others. */
  drop(id: number, grants: number): void {
    if (this.#dropped.length === 0) setImmediate(() => this.flush()).unref();
    this.#dropped.push(id, grants);
  }

  /** No connection will come. */
  forgetUntold(): void {
    this.#untold = [];
  }

  /** The connection is closed; or it is the parent's, in a forked child. */
  abandon(): void {
    this.#wire = undefined;
    this.forgetUntold();
  }
}
