// Whether a program runs as fast in a forked child as it does anywhere else: one
// that computes, and an HTTP server.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Process } from 'truefork';
import { machine } from './support/machine.js';
import { median } from './support/statistics.js';
import { printTable, ratio } from './support/table.js';

const ROUNDS = 7;
/** How long a server is measured, and how long before that it is warmed up, in milliseconds. */
const MEASURE = 2000;
const WARM_UP = 1000;
const CONNECTIONS = 20;

/** Optimized code, garbage and strings. Returns how long that took, in milliseconds. */
function compute(): number {
  const start = performance.now();
  let sum = 0;
  for (let i = 0; i < 3e7; i++) sum = (sum + Math.imul(i, 2_654_435_761)) | 0;
  const words = new Map<string, number>();
  for (let i = 0; i < 1e6; i++) {
    const word = `word ${i % 5000}`;
    words.set(word, (words.get(word) ?? 0) + (sum & 1));
  }
  let objects: object[] = [];
  for (let i = 0; i < 3e6; i++) {
    objects.push({ i, next: objects.at(-1) });
    if (objects.length > 50_000) objects = [];
  }
  return performance.now() - start;
}

async function serve(): Promise<void> {
  const server = createServer((_, response) => response.end('hello, world\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  console.log((server.address() as AddressInfo).port);
}

/** Requests per second, one after the other on each of some connections. */
async function load(port: number): Promise<number> {
  let responses = 0;
  const sockets = Array.from({ length: CONNECTIONS }, () => {
    const socket = connect(port, '127.0.0.1');
    const request = Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    socket.on('data', () => {
      responses++;
      socket.write(request);
    });
    socket.write(request);
    return socket;
  });
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  await pause(WARM_UP);
  responses = 0;
  const start = performance.now();
  await pause(MEASURE);
  const rate = (responses * 1000) / (performance.now() - start);
  for (const socket of sockets) socket.destroy();
  return rate;
}

function inForkedChild(target: () => unknown): void {
  new Process({ target }).start();
}

/** The programs that this one runs to measure them, each fresh. */
const PROGRAMS: Record<string, () => unknown> = {
  compute: () => console.log(compute()),
  'compute in a child': () => inForkedChild(() => console.log(compute())),
  serve,
  'serve in a child': () => inForkedChild(serve),
};

async function computingTime(program: string): Promise<number> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), program]);
  return Number(await text(child.stdout));
}

async function servingRate(program: string): Promise<number> {
  const group = spawn(process.execPath, [fileURLToPath(import.meta.url), program], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = (await once(group.stdout, 'data')) as [Buffer];
  const rate = await load(Number(port));
  process.kill(-group.pid!, 'SIGKILL');
  await once(group, 'exit');
  return rate;
}

async function compare(): Promise<void> {
  const computing: [number[], number[]] = [[], []];
  const serving: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    computing[0].push(await computingTime('compute'));
    computing[1].push(await computingTime('compute in a child'));
    serving[0].push(await servingRate('serve'));
    serving[1].push(await servingRate('serve in a child'));
  }
  const [alone, forked] = computing.map(median) as [number, number];
  const [aloneRate, forkedRate] = serving.map(median) as [number, number];
  console.log(machine());
  printTable(
    'The same program, not forked and in a forked child (medians)',
    ['', 'not forked', 'forked', 'speed in the child'],
    [
      ['computing, ms', alone.toFixed(0), forked.toFixed(0), ratio(alone / forked)],
      [
        'HTTP, requests/s',
        aloneRate.toFixed(0),
        forkedRate.toFixed(0),
        ratio(forkedRate / aloneRate),
      ],
    ],
  );
}

const program = process.argv[2];
await (program === undefined ? compare() : PROGRAMS[program]!());
