// Where a Listener listens: Unix sockets and TCP.
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { process } from '../common/originals.js';
import { assertInteger, assertType } from '../common/validate.js';
import { waitFor } from '../common/waiting.js';
import { lookUpSync, type SocketName } from '../posix/sockets.js';

/** As Python names them. */
export type Family = 'AF_INET' | 'AF_UNIX';

/**
 * Of a Unix socket: a path, or, on Linux, NUL and a name that is not in the file system. Of TCP:
 * host and port. A host is a name (of which the first IPv4 address is used), an IPv4 or an IPv6
 * address, or `''` for all IPv4 addresses of this machine.
 */
export type Address = string | readonly [host: string, port: number];

const MAX_PORT = 65_535;

function assertPath(path: string): void {
  const isAbstract = path.startsWith('\0');
  const isRight = path !== '' && (isAbstract || !path.includes('\0'));
  assertType(isRight, 'address', 'a path', path);
  const canBeAbstract = process.platform === 'linux';
  assertType(!isAbstract || canBeAbstract, 'address', 'a path: only Linux has others', path);
}

function assertHostAndPort(address: readonly unknown[]): void {
  const [host, port] = address;
  const isPair = address.length === 2 && typeof host === 'string' && typeof port === 'number';
  assertType(isPair && !host.includes('\0'), 'address', 'a path or [host, port]', address);
  assertInteger(port, 'port', 0, MAX_PORT);
}

/** The family of `address`, which must be `family` where that is given. */
export function familyOf(address: unknown, family: Family | undefined): Family {
  const isKnown = family === undefined || family === 'AF_INET' || family === 'AF_UNIX';
  assertType(isKnown, 'family', "'AF_INET' or 'AF_UNIX'", family);
  if (address === undefined || address === null) return family ?? 'AF_UNIX';
  const isPath = typeof address === 'string';
  const isRight = isPath || Array.isArray(address);
  assertType(isRight, 'address', 'a path or [host, port]', address);
  if (isPath) assertPath(address);
  else assertHostAndPort(address as unknown[]);
  const found = isPath ? 'AF_UNIX' : 'AF_INET';
  assertType(family === undefined || family === found, 'address', `one of ${family}`, address);
  return found;
}

/** The name for the kernel; undefined if the host has to be looked up. */
function nameOf(address: Address): SocketName | undefined {
  if (typeof address === 'string') return address;
  const [host, port] = address;
  if (host === '') return ['0.0.0.0', port];
  return isIP(host) === 0 ? undefined : [host, port];
}

/**
 * The name for the kernel; undefined after the timeout. The look-up goes on by itself, for it
 * cannot be interrupted.
 *
 * @throws SystemError `ENOTFOUND`: no such host
 * @throws AbortError
 */
export async function resolve(
  address: Address,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<SocketName | undefined> {
  const name = nameOf(address);
  if (name !== undefined) return name;
  const [host, port] = address as [string, number];
  const looking = lookup(host, { family: 4 });
  const subscribe = (wake: () => void): (() => void) => {
    looking.then(wake, wake);
    return () => {};
  };
  const isThere = await waitFor(subscribe, timeout, signal);
  return isThere ? [(await looking).address, port] : undefined;
}

/** As {@link resolve}, and blocks the thread. */
export function resolveSync(address: Address, timeout: number): SocketName | undefined {
  const name = nameOf(address);
  if (name !== undefined) return name;
  const [host, port] = address as [string, number];
  const found = lookUpSync(host, timeout);
  return found === undefined ? undefined : [found, port];
}
