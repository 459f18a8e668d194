// Processes that share a port.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { Server as NetServer } from 'node:net';
import { type Connection, Pipe, Process } from 'truefork';
import { close, dup2 } from 'truefork/posix';
import { sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { Asking, askWho, type Report } from './asking.js';
import { ClientProcess } from './client-process.js';
import { portOf, sayWho, serveHttp } from './serving.js';

const WORKERS = 4;
/** How many requests are under way at the same time. */
const CLIENTS = 8;
const REPLACEMENTS = 20;

function inheriting(server: Server): Process {
  const worker = new Process({ target: () => {}, inherit: [server], daemon: true });
  worker.start();
  return worker;
}

function pidsOf(workers: Process[]): string[] {
  return workers.map(({ pid }) => String(pid));
}

/** Asks until each of `pids` has answered. */
async function askUntilAnswered(port: number, pids: string[]): Promise<Report> {
  const asking = new Asking({ port, fresh: CLIENTS });
  await until(() => pids.every((pid) => asking.report.answers[pid]! > 0));
  return asking.stop();
}

async function askMany(port: number, n: number): Promise<Set<string>> {
  const answers = new Set<string>();
  for (let i = 0; i < n; i++) answers.add(await askWho({ port, agent: false }));
  return answers;
}

async function endAll(workers: Process[]): Promise<void> {
  for (const worker of workers) worker.terminate();
  for (const worker of workers) assert.equal(await worker.join(), -15);
}

/** Some number for a listening socket that only the supervisor's workers accept from. */
const SHARED_SOCKET = 100;

/**
 * Serves until SIGTERM; then answers what it has accepted, and ends. Says so when it is
 * ready.
 */
function serveGracefully(ready: Connection): void {
  const server = createServer(sayWho).listen({ fd: SHARED_SOCKET });
  server.once('listening', () => ready.sendSync('ready'));
  // Not http's own close(): since Node 26 it drops connections that have not asked yet.
  const stop = Reflect.get(NetServer.prototype, 'close');
  process.once('SIGTERM', () => Reflect.apply(stop, server, [() => process.exit(0)]));
}

async function startGraceful(): Promise<Process> {
  const [reader, writer] = Pipe(false);
  const worker = new Process({ target: () => serveGracefully(writer), daemon: true });
  worker.start();
  writer.close();
  assert.equal(await reader.recv(), 'ready');
  reader.close();
  return worker;
}

export const scenarios: Scenarios = {
  async 'four children share a port, with their parent and without'() {
    const server = await serveHttp();
    const port = portOf(server);
    const workers = Array.from({ length: WORKERS }, () => inheriting(server));
    const together = await askUntilAnswered(port, [String(process.pid), ...pidsOf(workers)]);
    assert.deepEqual(together.failures, []);
    server.close();
    const alone = await askUntilAnswered(port, pidsOf(workers));
    assert.deepEqual(alone.failures, []);
    assert.equal(alone.answers[process.pid], undefined);
    await endAll(workers);
    await assert.rejects(askWho({ port, agent: false }), { code: 'ECONNREFUSED' });
  },

  async 'with each that is killed the others go on'() {
    const server = await serveHttp();
    const port = portOf(server);
    const workers = Array.from({ length: WORKERS }, () => inheriting(server));
    server.close();
    while (workers.length > 0) {
      const left = new Set(pidsOf(workers));
      for (const pid of await askMany(port, 200)) assert.ok(left.has(pid));
      const worker = workers.pop()!;
      worker.kill();
      assert.equal(await worker.join(), -9);
    }
    await assert.rejects(askWho({ port, agent: false }), { code: 'ECONNREFUSED' });
  },

  async 'a killed worker takes with it only the requests in its hands'() {
    const server = await serveHttp();
    const workers = Array.from({ length: WORKERS }, () => inheriting(server));
    const client = new ClientProcess({ port: portOf(server), fresh: CLIENTS });
    for (let i = 0; i < REPLACEMENTS; i++) {
      workers.push(inheriting(server));
      const worker = workers.shift()!;
      await sleep(20);
      worker.kill();
      assert.equal(await worker.join(), -9);
    }
    const { answers, failures } = await client.stop();
    assert.ok(failures.length <= REPLACEMENTS * CLIENTS, `${failures.length} failures`);
    for (const failure of failures) assert.match(failure, /^fresh: ECONNRESET /);
    assert.ok(Object.values(answers).reduce((a, b) => a + b) > failures.length);
    const last = await askUntilAnswered(portOf(server), pidsOf(workers));
    assert.deepEqual(last.failures, []);
    await endAll(workers);
    server.close();
  },

  async 'a supervisor replaces its workers, and no request on a fresh connection fails'() {
    const server = await serveHttp();
    const port = portOf(server);
    // Without this the supervisor would have to accept connections itself.
    dup2((server as unknown as { _handle: { fd: number } })._handle.fd, SHARED_SOCKET);
    const workers = [await startGraceful(), await startGraceful()];
    server.close();
    const client = new ClientProcess({ port, fresh: CLIENTS });
    for (let i = 0; i < REPLACEMENTS; i++) {
      workers.push(await startGraceful());
      const old = workers.shift()!;
      await sleep(20);
      old.terminate();
      assert.equal(await old.join(), 0);
    }
    const { failures, answers } = await client.stop();
    assert.deepEqual(failures, []);
    assert.ok(Object.keys(answers).length > 2);
    assert.equal(answers[process.pid], undefined);
    for (const worker of workers) worker.terminate();
    for (const worker of workers) assert.equal(await worker.join(), 0);
    close(SHARED_SOCKET);
    await assert.rejects(askWho({ port, agent: false }), { code: 'ECONNREFUSED' });
  },
};
