// Servers and sockets that a child shares with its parent, because the parent said
// so: the descriptors that stay theirs, and counts that are not the child's.
import type { Socket as DatagramSocket } from 'node:dgram';
import { fstatSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { ProcessError } from '../../common/errors.js';
import { precompileForChildren } from '../../common/precompiled.js';
import { assertDescriptor, assertType } from '../../common/validate.js';
import { hiddenKey, hiddenValue } from './hidden.js';

/** An object that a child can inherit: a server (net, http, https, tls), a socket, a descriptor. */
export type Inheritable = Server | Socket | DatagramSocket | number;

interface WithHandle {
  _handle?: { fd?: number } | null;
}

/** The state that node:dgram keeps of a socket; undefined for other objects. */
export function datagramState(socket: object): { handle?: { fd?: number } | null } | undefined {
  return hiddenValue(socket, 'state symbol') as object | undefined;
}

/** The descriptor of a server or socket that has one. */
export function descriptorIn(object: object): number | undefined {
  const { handle } = datagramState(object) ?? { handle: (object as WithHandle)._handle };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}

/**
 * @throws TypeError, SystemError `EBADF`, or ProcessError `ERR_TRUEFORK_CLOSED` if it has no
 *   descriptor (any more)
 */
export function descriptorOf(object: Inheritable): number {
  if (typeof object === 'number') {
    assertDescriptor(object, 'inherit');
    fstatSync(object);
    return object;
  }
  const isObject = typeof object === 'object' && object !== null;
  assertType(
    isObject && ('_handle' in object || datagramState(object) !== undefined),
    'inherit',
    'an array of servers, sockets and file descriptors',
    object,
  );
  const fd = descriptorIn(object);
  if (fd !== undefined) return fd;
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
 * Forgets the connections of a server, which are the parent's, and returns whether it speaks HTTP.
 */
export function resetConnections(server: object): boolean {
  Reflect.set(server, '_connections', 0);
  const connections = hiddenKey(server, 'http.server.connections');
  if (connections !== undefined) Reflect.set(server, connections, undefined);
  return connections !== undefined;
}

/**
 * Call it in the child: a server that it inherits has, here, no connections yet,
 * and if it speaks HTTP, a new timer that looks for those that take too long.
 */
export function adoptServer(object: Inheritable): void {
  if (typeof object === 'number') return;
  const server = object as object as ServerInternals;
  if (typeof server._connections !== 'number' || !resetConnections(server)) return;
  const listeners = server.listeners('listening');
  listeners.find(({ name }) => name === 'setupConnectionsTracking')?.call(server);
}

precompileForChildren(datagramState, descriptorIn, resetConnections, adoptServer);
