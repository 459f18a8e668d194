// Work that a program has in flight: jobs of libuv's thread pool, requests, other programs.
// The result of each is known.
import assert from 'node:assert/strict';
import { exec } from 'node:child_process';
import { pbkdf2, pbkdf2Sync } from 'node:crypto';
import { lookup } from 'node:dns';
import { once } from 'node:events';
import { readFile, readFileSync } from 'node:fs';
import { Agent, createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deflate, deflateSync } from 'node:zlib';

type Callback = (error: Error | null, result?: unknown) => void;

/** Does its work once, and calls back with the result. */
interface Job {
  run: (callback: Callback) => void;
  expected: () => unknown;
}

export type Jobs = Record<string, Job>;

const file = new URL(import.meta.url);
const contents = readFileSync(file);
const derived = pbkdf2Sync('secret', 'salt', 2000, 32, 'sha512');
const packed = deflateSync(contents);

/** Work of libuv's thread pool. */
export const poolJobs: Jobs = {
  fs: { run: (callback) => readFile(file, callback), expected: () => contents },
  crypto: {
    run: (callback) => pbkdf2('secret', 'salt', 2000, 32, 'sha512', callback),
    expected: () => derived,
  },
  zlib: { run: (callback) => deflate(contents, callback), expected: () => packed },
  dns: {
    run: (callback) => lookup('localhost', { family: 4 }, callback),
    expected: () => '127.0.0.1',
  },
};

/** Work at sockets and pipes. */
export function socketJobs(server: Server): Jobs {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    http: { run: (callback) => request(url, callback), expected: () => answer() },
    exec: {
      run: (callback) => exec('echo $PPID', (error, stdout) => callback(error, stdout)),
      expected: () => `${process.pid}\n`,
    },
  };
}

/** More than one packet, and says who sent it. */
function answer(): string {
  return `${process.pid} `.repeat(20_000);
}

const agent = new Agent({ keepAlive: true });

function request(url: string, callback: Callback): void {
  const started = get(url, { agent }, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => (text += chunk));
    response.on('end', () => callback(null, text));
  });
  started.on('error', callback);
}

export async function serveAnswers(): Promise<Server> {
  // Without a timeout: a connection that the server ends is one that was lost.
  const options = { keepAliveTimeout: 0 };
  const server = createServer(options, (_, response) => response.end(answer()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

export async function stopServing(server: Server): Promise<void> {
  agent.destroy();
  server.close();
  await once(server, 'close');
}

/** Runs `job` once; calls `after` from its own callback. */
function runJob({ run, expected }: Job, after = (): void => {}): Promise<void> {
  return new Promise((resolve, reject) => {
    run((error, result) => {
      try {
        assert.ifError(error);
        assert.deepEqual(result, expected());
        after();
        resolve();
      } catch (failure) {
        reject(failure);
      }
    });
  });
}

export async function runOnce(jobs: Jobs): Promise<void> {
  await Promise.all(Object.values(jobs).map((job) => runJob(job)));
}

/** Keeps some of each job in flight until it is stopped. */
export class InFlight {
  readonly #owner = process.pid;
  readonly #lanes: Promise<void>[];
  readonly #after: (name: string) => void;
  #isStopped = false;
  /** How many of each have come to their end. */
  readonly done: Record<string, number> = {};

  /** @param after called from the callback of each job, with its name */
  constructor(jobs: Jobs, after: (name: string) => void = () => {}) {
    this.#after = after;
    this.#lanes = Object.entries(jobs).flatMap(([name, job]) => [
      this.#keepRunning(name, job),
      this.#keepRunning(name, job),
    ]);
    for (const lane of this.#lanes) lane.catch(() => {}); // stop() reports it
  }

  async #keepRunning(name: string, job: Job): Promise<void> {
    this.done[name] = 0;
    // In a child of posix.fork() they would go on as well.
    while (!this.#isStopped && process.pid === this.#owner) {
      await runJob(job, () => {
        this.done[name]!++;
        this.#after(name);
      });
    }
  }

  /** Waits until all of them have come to their end, as they should. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#lanes);
  }
}
