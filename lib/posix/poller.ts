// Waiting for one descriptor, with and without blocking.
import { check } from '../errors.js';
import { native, type Poller } from './native.js';

export type { Poller };

/** Events to wait for: libuv's UV_READABLE and UV_WRITABLE. */
export const READABLE = 1;
export const WRITABLE = 2;

// poll(2)'s, which are the same everywhere.
const POLLIN = 1;
const POLLOUT = 4;

/** Makes a {@link Poller} of `fd`, which becomes non-blocking. */
export function makePoller(fd: number, onready: (events: number) => void): Poller {
  const poller = new native.Poller(fd);
  poller.onready = onready;
  return poller;
}

/** Starts `poller`. @throws SystemError */
export function startPoller(poller: Poller, events: number): void {
  check(poller.start(events), 'epoll_ctl');
}

/**
 * poll(2) — blocks the thread until `fd` is ready, has an error or is at its end.
 *
 * @param timeout in milliseconds; Infinity: none
 * @returns false after the timeout
 */
export function waitUntilReady(fd: number, event: number, timeout: number): boolean {
  const events = event === READABLE ? POLLIN : POLLOUT;
  return check(native.poll(fd, events, timeout === Infinity ? -1 : timeout), 'poll') > 0;
}

/**
 * poll(2) of many — blocks the thread until one of `fds` is ready, has an error or is at its
 * end.
 *
 * @param wanted READABLE | WRITABLE for each of them
 * @param timeout in milliseconds; Infinity: none
 * @returns for each of them whether it is ready
 */
export function waitUntilAnyReady(
  fds: readonly number[],
  wanted: readonly number[],
  timeout: number,
): boolean[] {
  const events = Int32Array.from(
    wanted,
    (event) => (event & READABLE ? POLLIN : 0) | (event & WRITABLE ? POLLOUT : 0),
  );
  check(native.pollAll(Int32Array.from(fds), events, timeout === Infinity ? -1 : timeout), 'poll');
  return Array.from(events, (event) => event !== 0);
}
