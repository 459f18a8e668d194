// The servers of a parent stay its own while children come and go.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { Agent, type RequestListener, type Server } from 'node:http';
import type { Server as NetServer } from 'node:net';
import { Process } from 'truefork';
import { useEverything } from '../support/capabilities.js';
import { sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { Asking, type AskingOptions, askWho, type Report } from './asking.js';
import { ClientProcess } from './client-process.js';
import { portOf, sayWho, serveEcho, serveHttp, socketPath } from './serving.js';

/** Until it is killed, and not longer than the test. */
function hang(): Promise<void> {
  return sleep(50_000);
}

class Servers {
  readonly http: Server;
  readonly unix: Server;
  readonly echo: NetServer;

  static async open(handler: RequestListener): Promise<Servers> {
    const echo = await serveEcho();
    return new Servers(await serveHttp(handler), await serveHttp(sayWho, socketPath()), echo);
  }

  private constructor(http: Server, unix: Server, echo: NetServer) {
    this.http = http;
    this.unix = unix;
    this.echo = echo;
  }

  get asking(): AskingOptions {
    const echoPort = portOf(this.echo);
    return { port: portOf(this.http), keptAlive: 4, fresh: 4, path: socketPath(), echoPort };
  }

  close(): void {
    for (const server of [this.http, this.unix, this.echo]) server.close();
    this.http.closeAllConnections();
    this.unix.closeAllConnections();
  }
}

/** Things that children may do, short of answering. */
function lives(servers: Servers): (() => unknown)[] {
  const port = portOf(servers.http);
  return [
    () => {},
    () => sleep(100),
    () => process.exit(0),
    () => servers.close(),
    async () => {
      // On a path of its own.
      const server = await serveHttp(sayWho, socketPath());
      assert.equal(await askWho({ socketPath: socketPath(), agent: false }), String(process.pid));
      server.close();
    },
    // To a child, the parent's server is a server like any other.
    async () => assert.equal(await askWho({ port, agent: false }), String(process.ppid)),
  ];
}

function started(target: () => unknown): Process {
  const child = new Process({ target });
  child.start();
  return child;
}

/** Starts `n` children one after the other, while others stay until they are killed. */
async function comeAndGo(servers: Servers, n: number): Promise<void> {
  const kinds = lives(servers);
  const staying: Process[] = [];
  const going = [started(useEverything)];
  for (let i = 0; i < n; i++) {
    if (i % 20 === 0) staying.push(started(hang));
    const child = started(kinds[i % kinds.length]!);
    if (i % 4 === 0) await child.join();
    going.push(child);
    await sleep(1);
  }
  for (const child of staying) child.kill();
  for (const child of staying) assert.equal(await child.join(), -9);
  for (const child of going) assert.equal(await child.join(), 0, String(child));
}

function assertAllAnswered(report: Report, atLeast: number): void {
  assert.deepEqual(report.failures, []);
  const me = String(process.pid);
  assert.deepEqual(Object.keys(report.answers), [me]);
  assert.ok(report.answers[me]! >= atLeast, `only ${report.answers[me]} answers`);
  assert.ok(report.echoed > 0);
}

async function serveWhileChildrenComeAndGo(
  ask: (asking: AskingOptions) => { stop(): Promise<Report> },
  [children, connections]: [number, number],
): Promise<void> {
  const servers = await Servers.open(sayWho);
  let connected = 0;
  servers.http.on('connection', () => connected++);
  const client = ask(servers.asking);
  await until(() => connected > 20);
  await comeAndGo(servers, children);
  await until(() => connected > connections);
  assertAllAnswered(await client.stop(), connections);
  assert.ok(existsSync(socketPath()));
  assert.equal(await askWho({ socketPath: socketPath(), agent: false }), String(process.pid));
  servers.close();
  assert.ok(!existsSync(socketPath()));
}

export const scenarios: Scenarios = {
  'no connection is lost and no request answered by a child': {
    run: () => serveWhileChildrenComeAndGo((asking) => new ClientProcess(asking), [80, 1500]),
  },

  'nor where the clients are in the same process': {
    run: () => serveWhileChildrenComeAndGo((asking) => new Asking(asking), [60, 500]),
  },

  async 'a child that is started by a request leaves the answer to its parent'() {
    const all: Process[] = [];
    const server = await serveHttp((request, response) => {
      all.push(started(() => sleep(20)));
      sayWho(request, response);
    });
    const agent = new Agent({ keepAlive: true });
    for (let i = 0; i < 20; i++) {
      const who = await askWho({ port: portOf(server), agent: i % 2 === 0 ? agent : false });
      assert.equal(who, String(process.pid));
    }
    for (const child of all) assert.equal(await child.join(), 0);
    agent.destroy();
    server.close();
  },

  async "a child's requests do not go through its parent's connections"() {
    const server = await serveHttp();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const port = portOf(server);
    const me = String(process.pid);
    for (let i = 0; i < 10; i++) {
      assert.equal(await askWho({ port, agent }), me);
      const child = started(async () => {
        for (let j = 0; j < 3; j++) assert.equal(await askWho({ port, agent }), me);
        agent.destroy();
      });
      assert.deepEqual(await Promise.all([askWho({ port, agent }), child.join()]), [me, 0]);
    }
    agent.destroy();
    server.close();
  },
};
