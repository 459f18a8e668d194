// Support for the tests of a child.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Process, type ProcessOptions } from 'truefork';
import { sleep } from '../../support/observe.js';

export const parent = process.pid;

type Options = Pick<ProcessOptions, 'inherit'>;

export function started(target: () => unknown, options: Options = {}): Process {
  const child = new Process({ ...options, target });
  child.start();
  return child;
}

/** For checks that the child makes of itself. */
export async function succeeds(target: () => unknown, options?: Options): Promise<void> {
  assert.equal(await started(target, options).join(), 0);
}

/** Until it is killed, and not longer than the test. */
export function hang(): Promise<void> {
  return sleep(100_000);
}

/** Long enough for everything that the parent had under way. */
export async function liveOn(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await sleep(5);
}

export function inScratch<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'truefork-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  return use(directory);
}

export async function serve(): Promise<{
  server: HttpServer;
  url: string;
  connections: () => number;
}> {
  let connections = 0;
  const server = createHttpServer(({ url }, response) => {
    response.end(`${process.pid}${url}`);
  });
  server.on('connection', () => connections++);
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { server, url, connections: () => connections };
}

export function stop(server: HttpServer): void {
  server.close();
  server.closeAllConnections();
}

/** A connection of this process to itself. */
export async function connected(): Promise<{
  near: Socket;
  far: Socket;
  server: { close(): unknown };
}> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  return { near, far, server };
}
