// Servers that say who they are.
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Answers with the pid of this process, and with what was asked for. */
export const sayWho: RequestListener = (request, response) => {
  response.end(`${process.pid} ${request.url}`);
};

export async function listen<T extends NetServer>(server: T, path?: string): Promise<T> {
  if (path === undefined) server.listen(0, '127.0.0.1');
  else server.listen(path);
  await once(server, 'listening');
  return server;
}

export function portOf(server: NetServer): number {
  return (server.address() as AddressInfo).port;
}

/** Where this process may listen. */
export function socketPath(): string {
  return join(tmpdir(), `truefork-${process.pid}.sock`);
}

export function serveHttp(handler = sayWho, path?: string): Promise<Server> {
  // Without a timeout: a connection that the server ends is one that was lost.
  return listen(createHttpServer({ keepAliveTimeout: 0 }, handler), path);
}

export function serveEcho(): Promise<NetServer> {
  return listen(createServer((socket) => void socket.on('error', () => {}).pipe(socket)));
}

/** All that comes, until the peer has ended. Unlike text() it leaves the other direction open. */
export async function received(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return String(Buffer.concat(chunks));
}
