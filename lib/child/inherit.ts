// Servers and sockets that a child shares with its parent, because the parent said
// so: the descriptors that stay theirs, and counts that are not the child's.
import type { Socket as DatagramSocket } from 'node:dgram';
import { fstatSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { ProcessError } from '../errors.js';
import { assertDescriptor, assertType } from '../validate.js';

/** What a child can be given to inherit: servers (net, http, https, tls), sockets, descriptors. */
export type Inheritable = Server | Socket | DatagramSocket | number;

interface WithHandle {
  _handle?: { fd?: number } | null;
}

/** Where node:dgram keeps the handle of a socket. */
function datagramHandle(socket: object): { fd?: number } | undefined {
  const state = Object.getOwnPropertySymbols(socket).find(
    ({ description }) => description === 'state symbol',
  );
  return state && (Reflect.get(socket, state) as { handle?: { fd?: number } }).handle;
}

/** @throws TypeError, SystemError `EBADF`, or ProcessError `ERR_TRUEFORK_CLOSED` if it has no descriptor (any more) */
export function descriptorOf(object: Inheritable): number {
  if (typeof object === 'number') {
    assertDescriptor(object, 'inherit');
    fstatSync(object);
    return object;
  }
  const isObject = typeof object === 'object' && object !== null;
  const datagrams = isObject ? datagramHandle(object) : undefined;
  assertType(
    datagrams !== undefined || (isObject && '_handle' in object),
    'inherit',
    'an array of servers, sockets and file descriptors',
    object,
  );
  const handle = datagrams ?? (object as WithHandle)._handle;
  if (handle?.fd !== undefined && handle.fd >= 0) return handle.fd;
  throw new ProcessError(
    'ERR_TRUEFORK_CLOSED',
    'cannot inherit what is not open: a server must listen and a socket be connected when start() ' +
      'is called',
  );
}

interface ServerInternals {
  _connections?: number;
  listeners(event: string): { (): void; name: string }[];
}

/**
 * Call it in the child: a server that it inherits has, here, no connections yet,
 * and if it speaks HTTP, a new timer that looks for those that take too long.
 */
export function adoptServer(object: Inheritable): void {
  if (typeof object === 'number') return;
  const server = object as object as ServerInternals;
  if (typeof server._connections !== 'number') return;
  server._connections = 0;
  const connections = Object.getOwnPropertySymbols(server).find(
    ({ description }) => description === 'http.server.connections',
  );
  if (connections === undefined) return;
  Reflect.set(server, connections, undefined);
  const listeners = server.listeners('listening');
  listeners.find(({ name }) => name === 'setupConnectionsTracking')?.call(server);
}
