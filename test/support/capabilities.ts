// All that a program expects of Node, used once. A forked child must be able to do
// it as any other process.
import assert from 'node:assert/strict';
import { exec } from 'node:child_process';
import { pbkdf2, randomBytes } from 'node:crypto';
import { lookup } from 'node:dns';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { gzip } from 'node:zlib';

async function timersAndQueues(): Promise<void> {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    setTimeout(() => order.push('timeout'), 1);
    setImmediate(() => order.push('immediate'));
    process.nextTick(() => order.push('tick'));
    queueMicrotask(() => order.push('microtask'));
    void Promise.resolve().then(() => order.push('promise'));
    let turns = 0;
    const interval = setInterval(() => {
      if (++turns < 3) return;
      clearInterval(interval);
      resolve();
    }, 2);
  });
  assert.deepEqual(order.toSorted(), ['immediate', 'microtask', 'promise', 'tick', 'timeout']);
}

async function http(): Promise<void> {
  const server = createServer((request, response) => response.end(`${process.pid}${request.url}`));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const [response] = await once(get(`${url}/get`), 'response');
  assert.equal(await text(response), `${process.pid}/get`);
  const fetched = await fetch(`${url}/fetch`);
  assert.equal(await fetched.text(), `${process.pid}/fetch`);
  server.close();
  server.closeAllConnections();
}

async function threadPool(): Promise<void> {
  const { length } = await promisify(pbkdf2)('secret', 'salt', 100, 32, 'sha256');
  assert.equal(length, 32);
  assert.equal((await promisify(gzip)(Buffer.alloc(1000))).readUInt16BE(), 0x1f8b);
  const { address } = await promisify(lookup)('localhost');
  assert.match(address, /^(127\.0\.0\.1|::1)$/);
  assert.equal((await promisify(randomBytes)(8)).length, 8);
  assert.ok((await readFile(new URL(import.meta.url))).length > 0);
}

async function otherProcesses(): Promise<void> {
  const { stdout } = await promisify(exec)('echo $PPID');
  assert.equal(Number(stdout), process.pid);
}

async function workerThread(): Promise<void> {
  const worker = new Worker(`require('worker_threads').parentPort.postMessage(6 * 7)`, {
    eval: true,
  });
  const [[message]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
  assert.equal(message, 42);
}

// Not in the types of Node 20.
declare const WebAssembly: {
  instantiate(bytes: Uint8Array): Promise<{ instance: { exports: Record<string, unknown> } }>;
};

/** (module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)) */
const ADD = Buffer.from(
  '0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b',
  'hex',
);

async function code(): Promise<void> {
  const { instance } = await WebAssembly.instantiate(ADD);
  assert.equal((instance.exports['add'] as (a: number, b: number) => number)(2, 3), 5);
  // A module that nobody has imported yet.
  const module = 'data:text/javascript,export const answer = 42';
  const { answer } = (await import(module)) as { answer: number };
  assert.equal(answer, 42);
  // Enough for the optimizing compiler and the garbage collector.
  let sum = 0;
  let garbage: object[] = [];
  for (let i = 0; i < 300_000; i++) {
    sum += Math.sqrt(i) % 7;
    garbage.push({ i });
    if (garbage.length > 20_000) garbage = [];
  }
  assert.ok(sum > 0);
}

export async function useEverything(): Promise<void> {
  await timersAndQueues();
  await Promise.all([http(), threadPool(), otherProcesses(), workerThread(), code()]);
}
