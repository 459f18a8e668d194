// A program that forks from the call site it is given, with much else going on.
//   node <fixture> start|fork <log> [call site]
// Everything that runs writes a line "pid label" to the log; the test reads it.
import assert from 'node:assert/strict';
import { exec } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import { lookup } from 'node:dns';
import { once } from 'node:events';
import { openSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer, get } from 'node:http';
import { type AddressInfo, connect, createServer, Server, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { Process } from 'truefork';
import { fork, waitpid, WNOHANG } from 'truefork/posix';
import { useEverything } from '../support/capabilities.js';
import { sleep, until } from '../support/observe.js';

export const CHILD_EXITCODE = 42;

const [, , kind, logPath] = process.argv;
const log = openSync(logPath!, 'a');
const work: Promise<unknown>[] = [];

export function mark(label: string): void {
  writeSync(log, `${process.pid} ${label}\n`);
}

function working(label: string, done: Promise<unknown>): void {
  work.push(done.then(() => mark(label)));
}

async function serveHttp(): Promise<void> {
  const server = createHttpServer((_, response) => {
    setTimeout(() => response.end(String(process.pid)), 20);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (let i = 0; i < 3; i++) {
    const [response] = await once(get(`http://127.0.0.1:${port}`), 'response');
    assert.equal(await text(response), String(process.pid));
  }
  server.close();
  server.closeAllConnections();
}

async function echo(): Promise<void> {
  const server = createServer((socket) => void socket.pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  for (let i = 0; i < 20; i++) {
    socket.write(`message ${i}`);
    const [data] = await once(socket, 'data');
    assert.equal(String(data), `message ${i}`);
    await sleep(2);
  }
  socket.end();
  await once(socket, 'close');
  server.close();
}

/** Work that the parent is in the middle of when it forks, and has to go on with. */
function beginWork(): void {
  working('timer', sleep(20));
  working('fs', readFile(new URL(import.meta.url)));
  working('lookup', promisify(lookup)('localhost'));
  working('pbkdf2', promisify(pbkdf2)('secret', 'salt', 20_000, 32, 'sha512'));
  working('exec', promisify(exec)('sleep 0.03; echo done'));
  process.on('exit', () => mark('exit'));
  process.on('SIGUSR2', () => mark('signal'));
  if (kind === 'fork') return; // there the child has the same sockets, and answers as well
  working('http', serveHttp());
  working('echo', echo());
}

/** Queued at the moment of the fork. */
function queueEverything(): void {
  queueMicrotask(() => mark('microtask'));
  process.nextTick(() => mark('tick'));
  setImmediate(() => mark('immediate'));
  setTimeout(() => mark('due timer'), 1);
  const interval = setInterval(() => {
    mark('interval');
    clearInterval(interval);
  }, 1);
  void Promise.resolve().then(() => mark('promise'));
  // A rejection that gets its handler in time: nobody may report it.
  const rejected = Promise.reject(new Error('handled in time'));
  queueMicrotask(() => rejected.catch(() => {}));
}

async function live(): Promise<void> {
  mark('child');
  await useEverything();
}

let childHasEnded: () => Promise<number | null | undefined>;

function startHere(): void {
  const child = new Process({
    target: async () => {
      await live();
      process.exitCode = CHILD_EXITCODE;
    },
  });
  child.start();
  childHasEnded = () => child.join();
}

/** The first steps of a child of fork(2): closes what is the parent's business. */
function closeSockets(): void {
  const { _getActiveHandles } = process as unknown as { _getActiveHandles(): unknown[] };
  for (const handle of _getActiveHandles()) {
    if (handle instanceof Socket) handle.destroy();
    else if (handle instanceof Server) handle.close();
  }
}

function forkHere(): void {
  const pid = fork();
  if (pid === 0) {
    closeSockets();
    // A wait of the parent at the call site fails here.
    process.on('unhandledRejection', () => {});
    live().then(
      () => process.exit(CHILD_EXITCODE),
      (error) => {
        console.error(error);
        process.exit(1);
      },
    );
    return;
  }
  childHasEnded = async () => {
    let exitcode: number | null = null;
    await until(() => {
      exitcode = waitpid(pid, WNOHANG)?.exitcode ?? null;
      return exitcode !== null;
    });
    return exitcode;
  };
}

let inParent: number;

/** Forks, once. Code behind it runs in the parent only, or with posix.fork() in both. */
export function forkNow(): void {
  inParent = process.pid;
  beginWork();
  queueEverything();
  mark('before');
  try {
    if (kind === 'start') startHere();
    else forkHere();
    mark('after');
  } finally {
    mark('finally');
  }
}

/** Call it when the call site is through. */
export async function finish(): Promise<void> {
  if (process.pid !== inParent) return; // a child of posix.fork() has its own end
  assert.equal(await childHasEnded(), CHILD_EXITCODE);
  await Promise.all(work);
  process.kill(process.pid, 'SIGUSR2');
  await sleep(20);
  mark('end');
  process.removeAllListeners('SIGUSR2');
}
