// Whose word a message is. An address in it is worth a connection, and a proof that this process
// knows a key, only as far as its sender has shown to know that key.

/** The processes that can have written a message. */
export interface Origin {
  /** Whether it comes through memory and pipes that only this process and its relatives have. */
  readonly isFamily: boolean;
  /** The key that the sender has shown to know; undefined: none. */
  readonly authkey: Uint8Array | undefined;
}

export const FAMILY: Origin = { isFamily: true, authkey: undefined };
export const STRANGERS: Origin = { isFamily: false, authkey: undefined };

/** Of a connection whose both ends have shown that they know `authkey`. */
export function originWithKey(authkey: Uint8Array | undefined): Origin {
  return authkey === undefined ? STRANGERS : { isFamily: false, authkey };
}

/** The origin of what comes through an object, for all objects that lead to the same place. */
export class Source {
  #origin: Origin;

  constructor(origin: Origin) {
    this.#origin = origin;
  }

  get origin(): Origin {
    return this.#origin;
  }

  /** From now on others can write there, too. */
  openTo(origin: Origin): void {
    if (origin === this.#origin || origin.isFamily) return;
    this.#origin = this.#origin.isFamily ? origin : STRANGERS;
  }
}

const sources = new WeakMap<object, Source>();

/** Says where what comes through `connection` comes from. Returns it. */
export function setSource<T extends object>(connection: T, source: Source): T {
  sources.set(connection, source);
  return connection;
}

/** A connection of which nobody has said anything may lead to anybody. */
export function sourceOf(connection: object): Source {
  let source = sources.get(connection);
  if (source === undefined) sources.set(connection, (source = new Source(STRANGERS)));
  return source;
}

/** Queues in shared memory, and whatever else does not say where it comes from. */
const elsewhere = new Source(FAMILY);
let current: Source = elsewhere;

/** Of the message that is being read or written: the peers that it comes from or goes to. */
export function currentOrigin(): Origin {
  return current.origin;
}

/** Reads or writes a message of `source`. */
export function within<T>(source: Source, run: () => T): T {
  const outer = current;
  current = source;
  try {
    return run();
  } finally {
    current = outer;
  }
}

/**
 * A queue goes to, or comes from, the peer of the current message, who can put anything into it.
 */
export function noteSharedQueue(): void {
  elsewhere.openTo(current.origin);
}
