// Servers and sockets of the parent that the child does not inherit look closed in the child: what
// they are used for fails as it does with closed ones, and a server can listen anew.
import type { Server } from 'node:net';
import { precompileForChildren } from '../../common/precompiled.js';
import { handleOwners } from '../forked-child.js';
import { refuseUse } from './first-use.js';
import { hiddenValue } from './hidden.js';
import { datagramState, descriptorIn, resetConnections, type Inheritable } from './inherit.js';

interface StreamInternals {
  _readableState: object;
  _writableState: object;
}

interface SocketInternals extends StreamInternals {
  _handle: object | null;
  _server: Server | null;
  _httpMessage?: { destroyed: boolean } | null;
  connecting: boolean;
}

interface SessionState {
  flags: number;
  streams: Map<number, StreamInternals>;
}

interface ServerInternals {
  _handle: object | null;
  _pipeName?: string;
}

function isServer(owner: object): owner is ServerInternals {
  return '_handle' in owner && '_connections' in owner && 'listen' in owner;
}

function isSocket(owner: object): owner is SocketInternals {
  return '_handle' in owner && '_writableState' in owner && '_readableState' in owner;
}

/** The other end of what child_process has started. */
interface ProgramInternals {
  connected: boolean;
  channel: object | null;
}

function isProgram(owner: object): owner is ProgramInternals {
  return 'spawnfile' in owner && 'connected' in owner;
}

function closeServer(server: ServerInternals): void {
  server._handle = null;
  delete server._pipeName;
  resetConnections(server);
}

const PARENTS = "it is the parent's; name its socket in `inherit` to have it here as well";

function closeStream(stream: StreamInternals): void {
  const isClosed = { destroyed: true, closed: true, closeEmitted: true };
  Object.assign(stream._readableState, isClosed);
  Object.assign(stream._writableState, isClosed);
  refuseUse(stream, PARENTS);
}

function closeSocket(socket: SocketInternals): void {
  Object.assign(socket, { _handle: null, _server: null, connecting: false });
  closeStream(socket);
  // The request or response that is written to it.
  if (socket._httpMessage) socket._httpMessage.destroyed = true;
  closeHttp2(socket);
}

/** As Node has them: closed, and destroyed. */
const SESSION_FLAGS = 0x2 | 0x4;

/** The HTTP/2 session on a socket. Node 20 to 26 forget to import the symbol that is its key. */
function sessionOn(socket: object): object | undefined {
  return (hiddenValue(socket, 'kBoundSession') ?? Reflect.get(socket, 'undefined')) as
    | object
    | undefined;
}

function closeHttp2(socket: object): void {
  const session = sessionOn(socket);
  const state = session && (hiddenValue(session, 'state') as SessionState | undefined);
  if (state === undefined) return;
  state.flags |= SESSION_FLAGS;
  for (const stream of state.streams.values()) closeStream(stream);
}

function closeDatagrams(state: object): void {
  Object.assign(state, { handle: null, receiving: false, bindState: 0, connectState: 0 });
}

function close(owner: object): void {
  const datagrams = datagramState(owner);
  if (datagrams !== undefined) closeDatagrams(datagrams);
  else if (isServer(owner)) closeServer(owner);
  else if (isSocket(owner)) closeSocket(owner);
  else if (isProgram(owner)) Object.assign(owner, { connected: false, channel: null });
}

/** Streams of terminals, and those of the standard descriptors, go on. */
function isKept(owner: object, keep: ReadonlySet<number>): boolean {
  const fd = descriptorIn(owner);
  return (fd !== undefined && (fd <= 2 || keep.has(fd))) || Reflect.get(owner, 'isTTY') === true;
}

/**
 * Call it in the child, before its handles are at rest: all but `objects` and `descriptors` look
 * closed.
 */
export function closeHandles(objects: readonly Inheritable[], descriptors: Int32Array): void {
  const keep = new Set(descriptors);
  const inherited = new Set<unknown>(objects);
  for (const owner of handleOwners()) {
    if (!inherited.has(owner) && !isKept(owner, keep)) close(owner);
  }
}

precompileForChildren(
  closeHandles,
  close,
  closeDatagrams,
  closeServer,
  closeSocket,
  isKept,
  closeStream,
  closeHttp2,
  sessionOn,
  isServer,
  isSocket,
  isProgram,
);
