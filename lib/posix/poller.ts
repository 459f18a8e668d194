// Waiting for one descriptor, with and without blocking.
import { constants } from 'node:os';
import { check, systemError } from '../common/errors.js';
import { type Poller, nativeIo } from '../native/io.js';

export type { Poller };

/** Events to wait for: libuv's UV_READABLE and UV_WRITABLE. */
export const READABLE = 1;
export const WRITABLE = 2;

// poll(2)'s, which are the same everywhere.
const POLLIN = 1;
const POLLOUT = 4;
const POLLNVAL = 0x20;

/** Makes a {@link Poller} of `fd`, which becomes non-blocking. */
export function makePoller(fd: number, onready: (events: number) => void): Poller {
  const poller = new nativeIo.Poller(fd);
  poller.onready = onready;
  return poller;
}

/** Starts `poller`. @throws SystemError */
export function startPoller(poller: Poller, events: number): void {
  check(poller.start(events), 'epoll_ctl');
}

function forPoll(event: number): number {
  return (event & READABLE ? POLLIN : 0) | (event & WRITABLE ? POLLOUT : 0);
}

/**
 * poll(2) — blocks the thread until `fd` is ready, has an error or is at its end.
 *
 * @param timeout in milliseconds; Infinity: none
 * @returns false after the timeout
 */
export function waitUntilReady(fd: number, event: number, timeout: number): boolean {
  return check(nativeIo.poll(fd, forPoll(event), timeout === Infinity ? -1 : timeout), 'poll') > 0;
}

/** Something to wait for: {@link READABLE}, {@link WRITABLE}, or either: their sum. */
export interface Wish {
  fd: number;
  event: number;
}

/**
 * poll(2) — blocks the thread until one of `wishes` is ready, has an error or is at its end.
 *
 * @param timeout in milliseconds; Infinity: none
 * @returns those that are
 * @throws SystemError `EBADF`
 */
export function waitForAny<T extends Wish>(wishes: readonly T[], timeout: number): T[] {
  const fds = Int32Array.from(wishes, ({ fd }) => fd);
  const events = Int32Array.from(wishes, (wish) => forPoll(wish.event));
  check(nativeIo.pollAll(fds, events, timeout === Infinity ? -1 : timeout), 'poll');
  const isClosed = events.some((event) => (event & POLLNVAL) !== 0);
  if (isClosed) throw systemError(-constants.errno.EBADF, 'poll');
  return wishes.filter((_, i) => events[i] !== 0);
}
