// multiprocessing.connection.wait: many that may have something to say.
import { assertDescriptor, assertIterable, assertType } from '../common/validate.js';
import {
  Deadline,
  syncTimeout,
  type SyncWaitOptions,
  throwIfAborted,
  waitFor,
  type WaitOptions,
  waitOptions,
} from '../common/waiting.js';
import { watchAll } from '../fork/own-descriptor.js';
import { READABLE, waitForAny } from '../posix/poller.js';

/**
 * An object that {@link wait} can wait for: a Connection, a Listener or anything else that has a
 * descriptor; a Process, for its end; a descriptor.
 */
export type Waitable = number | { fileno(): number } | { readonly sentinel: number };

/** The part of Connection and Listener that a wait needs beside their descriptor. */
interface Whole {
  /** Whether there is something to know, whatever the descriptor says. */
  readonly isReadyAnyway: boolean;
  onReadyAnyway(wake: () => void): () => void;
}

function asWhole(object: unknown): Whole | undefined {
  const isWhole = typeof (object as Partial<Whole>).onReadyAnyway === 'function';
  return isWhole ? (object as Whole) : undefined;
}

function descriptorOf(object: unknown): number {
  const source = (typeof object === 'object' && object !== null ? object : {}) as {
    fileno?: () => number;
    sentinel?: number;
  };
  const hasFileno = typeof source.fileno === 'function';
  const fd = hasFileno ? source.fileno!() : (source.sentinel ?? object);
  assertType(
    typeof fd === 'number',
    'objects',
    'an iterable of Connections, Listeners, Processes and descriptors',
    object,
  );
  assertDescriptor(fd);
  return fd;
}

interface Entry<T> {
  object: T;
  fd: number;
  event: number;
}

function entriesFor<T>(objects: Iterable<T>): Entry<T>[] {
  assertIterable(objects, 'objects');
  return Array.from(objects, (object) => ({ object, fd: descriptorOf(object), event: READABLE }));
}

/**
 * The entries that are ready. One that was closed meanwhile counts: its next use throws, and says
 * why.
 */
function readyOf<T>(entries: readonly Entry<T>[], timeout: number): T[] {
  const others = entries.filter(({ object }) => asWhole(object)?.isReadyAnyway !== true);
  const isReadyAnyway = others.length < entries.length;
  const unready = new Set(others);
  for (const entry of waitForAny(others, isReadyAnyway ? 0 : timeout)) unready.delete(entry);
  return entries.filter((entry) => !unready.has(entry)).map(({ object }) => object);
}

/** Calls `wake` when one of `entries` may be ready. Returns a function that takes that back. */
function subscribe<T>(entries: readonly Entry<T>[], wake: () => void): () => void {
  const set = watchAll(
    entries.map(({ fd }) => fd),
    wake,
  );
  const subscriptions = entries.map(({ object }) => asWhole(object)?.onReadyAnyway(wake));
  return () => {
    for (const unsubscribe of subscriptions) unsubscribe?.();
    set.close();
  };
}

/**
 * Waits until one of `objects` is ready, or more of them: a connection has something to receive, or
 * is at its end, a listener has somebody to accept, a process has ended. Nothing is received. As
 * Python's `multiprocessing.connection.wait`.
 *
 * Hundreds of them cost little more than one. Each wait keeps the event loop alive.
 *
 * @param objects also many times the same; with none it waits for the timeout, if there is one
 * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit
 * @returns those that are ready, in the order in which they were given; none after the timeout
 * @throws SystemError `EBADF`, `EMFILE`; ProcessError `ERR_TRUEFORK_CLOSED`; AbortError
 *
 * @example
 * ```ts
 * for (const ready of await wait([connection, child, listener], 1000)) {
 *   if (ready === connection) console.log(await connection.recv());
 * }
 * ```
 */
export async function wait<T extends Waitable>(
  objects: Iterable<T>,
  options: number | WaitOptions = {},
): Promise<T[]> {
  const { timeout, signal } = waitOptions(options);
  throwIfAborted(signal);
  const entries = entriesFor(objects);
  const deadline = new Deadline(timeout);
  for (;;) {
    const ready = readyOf(entries, 0);
    const isFutile = entries.length === 0 && timeout === Infinity;
    if (ready.length > 0 || deadline.isOver || isFutile) return ready;
    await waitFor((wake) => subscribe(entries, wake), deadline.left, signal);
  }
}

/** As {@link wait}, and blocks the thread. */
export function waitSync<T extends Waitable>(
  objects: Iterable<T>,
  options: number | SyncWaitOptions = {},
): T[] {
  const timeout = syncTimeout(options);
  const entries = entriesFor(objects);
  const isFutile = entries.length === 0 && timeout === Infinity;
  return readyOf(entries, isFutile ? 0 : timeout);
}
